"""A platform around another one: it passes everything on, and what derives from it says only what it does beside."""

from bot.chat import Address, Attachment, ChatPlatform, MessageLimits, MessageRef, OutboundMessage, Ready, Receive


class WrappedPlatform:
    """A `ChatPlatform` that is the one within."""

    def __init__(self, platform: ChatPlatform) -> None:
        self._platform = platform

    @property
    def name(self) -> str:
        return self._platform.name

    @property
    def limits(self) -> MessageLimits:
        return self._platform.limits

    async def run(self, receive: Receive, ready: Ready) -> None:
        await self._platform.run(receive, ready)

    def measure(self, text: str) -> int:
        return self._platform.measure(text)

    def is_group(self, at: Address) -> bool:
        return self._platform.is_group(at)

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        return await self._platform.send(to, message, key=key)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        return await self._platform.edit(ref, message)

    async def delete(self, ref: MessageRef) -> None:
        await self._platform.delete(ref)

    async def show_typing(self, at: Address) -> None:
        await self._platform.show_typing(at)

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        return await self._platform.download(attachment, limit=limit)

    async def close(self) -> None:
        await self._platform.close()
