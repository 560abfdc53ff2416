"""model.py: the reference as Doxygen's XML has it: headers, their symbols, and descriptions as a few kinds of blocks.

A description is a list of blocks: ("text", inlines), ("list", [description...]), ("numbers", [description...]),
("code", str). Inlines are str, ("code", str) and ("link", str, id)."""
import pathlib
import re
import xml.etree.ElementTree as tree
from dataclasses import dataclass, field


@dataclass
class Symbol:
    id: str
    kind: str  # function, struct, class, enum, macro, type, variable
    name: str
    prototype: str
    text: list
    facts: dict  # Thread, Since
    line: int
    members: list = field(default_factory=list)
    also: list = field(default_factory=list)  # ids of those that share the description


@dataclass
class Header:
    name: str  # evloop/timer.h
    language: str
    title: str
    text: list
    symbols: list


def plain(element):
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip() if element is not None else ""


def code_of(element):
    lines = element.findall("codeline")
    if not lines:
        return "".join(element.itertext()).strip("\n")
    for space in element.iter("sp"):
        space.text = " "
    return "\n".join("".join(line.itertext()) for line in lines)


def dedent(code):
    lines = code.split("\n")
    cut = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[cut:] for line in lines).strip("\n")


class Reader:
    def __init__(self):
        self.facts = {}

    def inlines(self, element, out, blocks):
        if element.text:
            out.append(element.text)
        for child in element:
            if child.tag in ("itemizedlist", "orderedlist", "programlisting", "verbatim", "simplesect", "para"):
                if any(part if isinstance(part, str) and part.strip() else not isinstance(part, str) for part in out):
                    blocks.append(("text", list(out)))
                out.clear()
                self.block(child, blocks)
            elif child.tag == "ref":
                out.append(("link", plain(child), child.get("refid")))
            elif child.tag == "computeroutput":
                out.append(("code", plain(child)))
            elif child.tag in ("ndash", "mdash", "nonbreakablespace"):
                out.append({"ndash": "-", "mdash": "-"}.get(child.tag, " "))
            elif child.tag == "linebreak":
                out.append("\n")
            else:
                self.inlines(child, out, blocks)
            if child.tail:
                out.append(child.tail)

    def block(self, element, blocks):
        if element.tag in ("itemizedlist", "orderedlist"):
            items = []
            for item in element.findall("listitem"):
                inner = []
                for child in item:
                    self.block(child, inner)
                items.append(inner)
            blocks.append(("list" if element.tag == "itemizedlist" else "numbers", items))
        elif element.tag in ("programlisting", "verbatim"):
            blocks.append(("code", dedent(code_of(element))))
        elif element.tag == "simplesect" and plain(element.find("title")) in ("Thread", "Since"):
            self.facts[plain(element.find("title"))] = plain(element.find("para"))
        else:
            out = []
            self.inlines(element, out, blocks)
            if any(not isinstance(part, str) or part.strip() for part in out):
                blocks.append(("text", out))

    def description(self, element):
        blocks = []
        for tag in "briefdescription", "detaileddescription":
            part = element.find(tag)
            for child in part if part is not None else ():
                self.block(child, blocks)
        return blocks


KINDS = {"define": "macro", "typedef": "type", "enum": "enum", "function": "function", "variable": "variable"}


def prototype(member):
    kind, name = member.get("kind"), member.findtext("name")
    if kind == "define":
        params = member.findall("param/defname")
        args = "(" + ", ".join(p.text for p in params) + ")" if params else ""
        value = plain(member.find("initializer"))
        return f"#define {name}{args} {value}".rstrip()
    if kind == "enum":
        return f"enum {name}".rstrip() if name and not name.startswith("@") else "enum"
    text = plain(member.find("type"))
    args = member.findtext("argsstring") or ""
    if kind == "typedef":
        if args.startswith(")"):
            return f"typedef {text}{name}{args};"
        return f"typedef {text} {name}{args};" if "using" not in member.findtext("definition", "") else member.findtext("definition") + ";"
    template = member.find("templateparamlist")
    head = ""
    if template is not None:
        params = [" ".join(filter(None, [plain(p.find("type")), p.findtext("declname") or ""])) for p in template.findall("param")]
        head = "template <" + ", ".join(params) + ">\n"
    space = "" if not text or text.endswith("*") or text.endswith("&") else " "
    static = "static " if member.get("static") == "yes" else ""
    return f"{head}{static}{text}{space}{name}{args};"


def read_member(member):
    reader = Reader()
    text = reader.description(member)
    location = member.find("location")
    symbol = Symbol(member.get("id"), KINDS.get(member.get("kind"), "variable"), member.findtext("name"), prototype(member),
                    text, reader.facts, int(location.get("line")))
    for value in member.findall("enumvalue"):
        initial = " " + plain(value.find("initializer")) if value.find("initializer") is not None else ""
        symbol.members.append(Symbol(value.get("id"), "value", value.findtext("name"), value.findtext("name") + initial,
                                     Reader().description(value), {}, 0))
    return symbol, location.get("file")


def read_class(path):
    compound = tree.parse(path).getroot().find("compounddef")
    if compound.get("prot") == "private":
        return None
    reader = Reader()
    text = reader.description(compound)
    location = compound.find("location")
    symbol = Symbol(compound.get("id"), compound.get("kind"), compound.findtext("compoundname"), "", text, reader.facts,
                    int(location.get("line")))
    for member in compound.iter("memberdef"):
        if member.get("prot") == "public" and member.get("kind") in KINDS:
            made = read_member(member)[0]
            if made.text:
                symbol.members.append(made)
    symbol.members.sort(key=lambda made: made.line)
    symbol.prototype = f"{symbol.kind} {symbol.name};"
    return symbol, location.get("file")


def merged(symbols):
    """Declarations that share a description are one entry."""
    out = []
    for symbol in symbols:
        if out and symbol.text and out[-1].text == symbol.text and out[-1].kind == symbol.kind and not symbol.members:
            out[-1].prototype += "\n" + symbol.prototype
            out[-1].also.append(symbol)
        else:
            out.append(symbol)
    return out


def read(xml):
    """All headers, C's first."""
    xml = pathlib.Path(xml)
    found, headers = {}, []
    for path in sorted(xml.glob("*.xml")):
        if path.name == "index.xml":
            continue
        compound = tree.parse(path).getroot().find("compounddef")
        kind = compound.get("kind") if compound is not None else None
        if kind in ("struct", "class", "union"):
            made = [read_class(path)]
        elif kind in ("file", "namespace"):
            made = [read_member(member) for member in compound.iter("memberdef") if member.get("kind") in KINDS]
        else:
            continue
        for symbol, file in filter(None, made):
            if symbol.text:
                found.setdefault(file, {})[symbol.id] = symbol
        if kind == "file":
            reader = Reader()
            text = reader.description(compound)
            file = compound.find("location").get("file")
            headers.append((file, compound.findtext("compoundname"), text))
    out = []
    for file, _, text in headers:
        title = text.pop(0)[1] if text and text[0][0] == "text" else [""]
        language = "cpp" if file.endswith(".hpp") else "c"
        symbols = sorted(found.get(file, {}).values(), key=lambda symbol: symbol.line)
        out.append(Header(re.sub(r"^.*?(include|cpp)/(?=evloop)", "", file), language, title, text, merged(symbols)))
    return sorted(out, key=lambda header: (header.language, header.name))
