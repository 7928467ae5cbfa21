"""Files that are one row each: plain text, a page, a mail. The parsers are Python's own."""

from __future__ import annotations

import re
from email import policy
from email.errors import MessageError
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import TYPE_CHECKING, BinaryIO, Final

from ..rows import Aside, Piece, Record, Records, beginning
from .lines import too_long

if TYPE_CHECKING:
    from email.message import EmailMessage

    from ..spec import Source

UNSEEN: Final = {"script", "style", "noscript", "template", "head"}
"""Elements whose text nobody reads."""

INLINE: Final = frozenset(
    ("a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "i", "kbd", "mark", "q", "s", "samp",
     "small", "span", "strong", "sub", "sup", "u")
)  # fmt: skip
"""Elements that do not begin a line."""

CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset=["']?([\w-]+)""", re.IGNORECASE)
MAIL_COLUMNS: Final = ["text", "subject", "from", "to", "date"]


def read_text(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """The whole file as `text`."""
    yield _decoded(file, piece, source, source.encoding)


def read_html(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """What a reader of the page sees as `text`, and its `title`. The page may name its encoding."""
    named = CHARSET.search(file.read(2048))
    file.seek(0)
    record = _decoded(file, piece, source, named[1].decode() if named else source.encoding)
    if isinstance(record, Record):
        page = _Page()
        page.feed(str(record.values["text"]))
        page.close()
        record = Record("", {"text": page.text(), "title": page.title.strip()})
    yield record


def read_mail(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """One message: subject and body as `text`, and what its head says."""
    if piece.size > source.longest:
        yield Aside("", too_long(piece.size, source.longest))
        return
    raw = file.read()
    try:
        message: EmailMessage = BytesParser(policy=policy.default).parsebytes(raw)
        head = {name: str(message[name] or "") for name in MAIL_COLUMNS[1:]}
        body = _body(message)
    except (MessageError, LookupError, ValueError, AttributeError, TypeError, IndexError) as error:
        # The parser of headers is known to raise any of these on what is no header.
        yield Aside("", f"is no mail that can be read: {error}", beginning(raw))
        return
    yield Record("", {**head, "text": f"{head['subject']}\n\n{body}".strip()})


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    content = str(part.get_content())
    if part.get_content_subtype() != "html":
        return content
    page = _Page()
    page.feed(content)
    page.close()
    return page.text()


def _decoded(file: BinaryIO, piece: Piece, source: Source, encoding: str) -> Record | Aside:
    if piece.size > source.longest:
        return Aside("", too_long(piece.size, source.longest))
    raw = file.read()
    try:
        return Record("", {"text": raw.decode(encoding).removeprefix("\ufeff")})
    except LookupError:
        return Aside("", f"names an encoding that is not known: {encoding}", beginning(raw))
    except UnicodeDecodeError as error:
        return Aside("", f"is not {encoding} at byte {error.start}", beginning(raw))


class _Page(HTMLParser):
    """Gathers the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self._said: list[str] = []
        self._unseen = 0
        self._in_title = False

    def text(self) -> str:
        lines = "".join(self._said).split("\n")
        return re.sub(
            r"\n{3,}", "\n\n", "\n".join(" ".join(line.split()) for line in lines)
        ).strip()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in UNSEEN
        self._in_title = tag == "title"
        # A page need not close its head.
        if tag == "body":
            self._unseen = 0
        if tag not in INLINE:
            self._said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in UNSEEN and self._unseen > 0
        self._in_title = False
        if tag not in INLINE:
            self._said.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._unseen:
            self._said.append(data if data.strip() else " ")
