"""HTML that escapes by itself: whatever is not `Markup` is text and is shown as text."""
import html


class Markup(str):
    """HTML that is ready; only `element`, `join` and constants of this program make it."""


def element(name, *content, **attributes):
    """<name ...>content</name>. An attribute's name ends in _ where Python has the word for itself;
    one that is None or "" is left out."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
                      for key, value in attributes.items() if value not in (None, ""))
    return Markup(f"<{name}{written}>{join(content)}</{name}>")


def join(parts):
    return Markup("".join(part if isinstance(part, Markup) else html.escape(str(part)) for part in parts))
