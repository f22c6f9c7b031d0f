-- What is not in doubt and belongs to no reply that is still to be finished was never forgotten before.
DELETE FROM outbox WHERE doubts = 0 AND NOT EXISTS (
    SELECT 1 FROM inbox WHERE answered_at IS NULL AND outbox.reply_key = 'reply-' || inbox.id
);
