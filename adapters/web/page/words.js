// The page's own words. What the shop says itself (greeting, answers) comes from the server.

const WORDS = {
  vi: {
    subtitle: "Thường trả lời ngay",
    offline: "Đang kết nối lại…",
    connecting: "Đang kết nối…",
    lost: "Mất kết nối. Tin bạn viết vẫn được giữ lại.",
    crowded: "Trang này đang mở ở quá nhiều tab. Bấm vào đây để tiếp tục ở tab này.",
    noCookies: "Trình duyệt đang chặn cookie, nên trang không giữ được cuộc trò chuyện. Bạn bật cookie rồi tải lại trang nhé.",
    placeholder: "Nhập câu hỏi của bạn…",
    inputLabel: "Tin nhắn gửi shop",
    send: "Gửi",
    stop: "Dừng trả lời",
    fresh: "Trò chuyện mới",
    freshTitle: "Bắt đầu trò chuyện mới?",
    freshText: "Các tin nhắn hiện tại sẽ không còn hiển thị ở đây nữa.",
    freshYes: "Bắt đầu lại",
    cancel: "Hủy",
    language: "Switch to English",
    log: "Cuộc trò chuyện",
    you: "Bạn",
    staff: "Nhân viên",
    newMessages: "Tin mới",
    typing: "Shop đang trả lời…",
    sending: "Đang gửi…",
    failed: "Chưa gửi được.",
    retry: "Gửi lại",
    source: "Nguồn",
    openSource: "Xem trang đầy đủ",
    tooLong: "Tin nhắn dài {length} ký tự, tối đa {limit}. Bạn rút gọn hoặc chia nhỏ giúp shop nhé.",
    stopFailed: "Chưa dừng được, bạn thử lại nhé.",
    freshFailed: "Chưa bắt đầu lại được, bạn thử lại nhé.",
    hint: "Trợ lý tự động trả lời theo chính sách của shop.",
    examplesTitle: "Bạn có thể hỏi",
    examples: [
      "Đổi size áo thì làm thế nào?",
      "Phí giao hàng là bao nhiêu?",
      "Bao lâu thì nhận được hàng?",
      "Có được trả tiền khi nhận hàng không?",
    ],
  },
  en: {
    subtitle: "Usually answers at once",
    offline: "Reconnecting…",
    connecting: "Connecting…",
    lost: "No connection. What you wrote is kept.",
    crowded: "This page is open in too many tabs. Press here to go on in this one.",
    noCookies: "Your browser blocks cookies, so this page cannot keep the conversation. Allow cookies and reload the page.",
    placeholder: "Type your question…",
    inputLabel: "Message to the shop",
    send: "Send",
    stop: "Stop answering",
    fresh: "New conversation",
    freshTitle: "Start a new conversation?",
    freshText: "The messages so far will no longer be shown here.",
    freshYes: "Start afresh",
    cancel: "Not now",
    language: "Chuyển sang tiếng Việt",
    log: "Conversation",
    you: "You",
    staff: "Staff",
    newMessages: "New messages",
    typing: "The shop is answering…",
    sending: "Sending…",
    failed: "Not sent.",
    retry: "Send again",
    source: "Source",
    openSource: "Open the full page",
    tooLong: "This message has {length} characters, at most {limit} are possible. Please shorten or split it.",
    stopFailed: "Could not stop it, please try again.",
    freshFailed: "Could not start afresh, please try again.",
    hint: "An automatic assistant that answers from the shop's policies.",
    examplesTitle: "You can ask",
    examples: [
      "How do I exchange a shirt for another size?",
      "How much is shipping?",
      "How long does delivery take?",
      "Can I pay cash on delivery?",
    ],
  },
};

/** The words of a language, `vi` or `en`. */
export function wordsOf(language) {
  return WORDS[language] ?? WORDS.vi;
}

/** What the visitor chose before, else the first of his browser's languages that we speak. */
export function preferredLanguage() {
  const wanted = [remembered(), ...(navigator.languages ?? [navigator.language])];
  return wanted.map((tag) => String(tag).slice(0, 2).toLowerCase()).find((tag) => tag in WORDS) ?? "vi";
}

/** Keep a choice of language for the next visit. */
export function remember(language) {
  try {
    localStorage.setItem("shopdesk.language", language);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

function remembered() {
  try {
    return localStorage.getItem("shopdesk.language") ?? "";
  } catch {
    return "";
  }
}
