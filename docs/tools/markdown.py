"""markdown.py: the reference's pages for the site, one for each header."""
import re


def escaped(text):
    return re.sub(r"([\\`*_<>\[\]{}#$])", r"\\\1", text)


class Pages:
    def __init__(self, headers):
        self.headers = headers
        self.places = set()
        for header in headers:
            for symbol in header.symbols:
                for one in (symbol, *symbol.also, *symbol.members):
                    self.places.add(one.id)

    def inlines(self, parts):
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(escaped(part))
            elif part[0] == "code":
                out.append(f"`{part[1]}`")
            elif part[2] in self.places:
                out.append(f"[{escaped(part[1])}]({part[2]})")
            else:
                out.append(f"`{part[1]}`")
        return re.sub(r"\s+", " ", "".join(out)).strip()

    def text(self, blocks, language, indent=""):
        lines = []
        for block in blocks:
            if block[0] == "text":
                lines += [indent + self.inlines(block[1]), ""]
            elif block[0] == "code":
                lines += [indent + f"```{language}", *(indent + line for line in block[1].split("\n")), indent + "```", ""]
            else:
                for n, item in enumerate(block[1]):
                    mark = "- " if block[0] == "list" else f"{n + 1}. "
                    inner = self.text(item, language, indent + " " * len(mark))
                    inner[0] = indent + mark + inner[0].lstrip()
                    lines += inner[:-1] if len(inner) == 2 else inner
                lines.append("")
        return lines

    def table(self, symbol, language):
        rows = ["| | |", "| --- | --- |"]
        for member in symbol.members:
            text = " ".join(line for line in self.text(member.text, language) if line).replace("|", "\\|")
            rows.append(f"| `{member.prototype.rstrip(';')}` | {text} |")
        return rows + [""]

    def symbol(self, symbol, language):
        names = [symbol, *symbol.also]
        title = re.sub(r"^evloop::", "", symbol.name)
        if symbol.kind == "enum" and (not title or title.startswith("@")):
            title = re.sub(r"_[^_]*$", "_*", symbol.members[0].name) if symbol.members else "constants"
        lines = [f"({one.id})=" for one in names]
        if symbol.kind in ("struct", "class", "union") and language == "cpp":
            title = f"{symbol.kind} {title}"
        lines += ["## " + ", ".join([escaped(title), *(escaped(one.name) for one in symbol.also
                                                         if one.name != symbol.name)]), ""]
        if symbol.kind not in ("enum", "struct", "class", "union"):
            lines += [f"```{language}", symbol.prototype, "```", ""]
        lines += self.text(symbol.text, language)
        if symbol.members and (language == "c" or symbol.kind == "enum"):
            lines += self.table(symbol, language)
        elif symbol.members:
            for member in symbol.members:
                lines += [f"({member.id})=", f"```{language}", member.prototype, "```", "",
                          *self.text(member.text, language)]
        facts = [f"{name}: {value}" for name, value in (*symbol.facts.items(), )]
        return lines + ([f"*{'. '.join(facts)}.*", ""] if facts else [])

    def page(self, header):
        title = self.inlines(header.title)
        lines = [f"# {header.name}", "", title[:1].upper() + title[1:], "",
                 *self.text(header.text, header.language)]
        for symbol in header.symbols:
            lines += self.symbol(symbol, header.language)
        return "\n".join(lines)

    def summary(self, header):
        return self.inlines(header.title)
