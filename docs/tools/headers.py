#!/usr/bin/env python3
"""headers.py: what Doxygen reads in place of the public headers. They keep plain comments, which here become
Doxygen's, line for line, so that a warning names the right line.

    /* above a declaration */            documents it; declarations without an empty line between them share it
    member;  /* behind it */             documents the member before it
    /* evloop/x.h - summary. ... */      the file
    // in .hpp files                     the same three

In a comment, text indented by four spaces or more, or by two where it is not part of a list, is shown as it is; a line
"@thread any" or "@since 0.1" is a section; names of functions become links."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = set(re.findall(r"^    (evl_\w+);$", (ROOT / "core" / "evloop.map").read_text(), re.MULTILINE))


def link(name):
    return f'@ref {name[1]} "{name[1]}"' if name[1] in FUNCTIONS else name[0]


def text(line):
    """A line of running text, with what means something to Doxygen or Markdown taken literally."""
    line = re.sub(r"@thread (\w+)\.?", r"@@threads{\1}", line)
    line = re.sub(r"@since ([\d.]+\d)", r"@@since{\1}", line)
    line = re.sub(r"^(?=Errors\b.*:$)", "@@paragraph ", line)
    parts = re.split(r"(`[^`]*`)", line)
    for i in range(0, len(parts), 2):
        part = re.sub(r"(?<!@)@(?!@)", r"\\@", parts[i])
        part = part.replace("@@", "@")
        part = re.sub(r"\\(?!@)", r"\\\\", part)
        part = re.sub(r"([<>#%*~])", r"\\\1", part)
        parts[i] = re.sub(r"\b(evl_\w+)\b(?:\(\))?(?![(:.]\w)", link, part)
    return "".join(parts)


def body(lines):
    """The lines of a comment, without its marks, as Doxygen wants them: as many lines."""
    out, verbatim, in_list, cut = [], False, False, 0
    for n, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            rest = next((later for later in lines[n + 1:] if later.strip()), "")
            if verbatim and len(rest) - len(rest.lstrip()) < 2:
                out[-1] += "@endcode" if out[-1] else ""
                verbatim = False
            in_list = False
            out.append("")
            continue
        item = re.match(r"\s*(-|\d+\.) ", line)
        if verbatim and indent < 2:
            out[-1] += "@endcode"
            verbatim = False
        if not verbatim and indent >= 4 and not in_list:
            cut = indent
            out.append("@code{.unparsed}" + line[cut:])
            verbatim = True
        elif verbatim:
            out.append(line[min(cut, indent):])
        else:
            in_list = bool(item) or (in_list and indent > 0)
            marker = ""
            if item:
                marker, line = item[0], line[item.end():]
            out.append(marker + (line[:len(line) - len(line.lstrip())] + text(line.lstrip())))
    if verbatim:
        out[-1] += "@endcode"
    return out


def plain(comment, mark):
    """The lines of a comment without marks."""
    if mark == "//":
        return [re.sub(r"^\s*// ?", "", line).rstrip() for line in comment]
    lines = []
    for i, line in enumerate(comment):
        line = re.sub(r"^\s*/\* ?" if i == 0 else r"^\s*\* ?", "", line)
        lines.append(re.sub(r"\s*\*/\s*$", "", line).rstrip())
    return lines


def summary_of_file(lines):
    match = re.match(r"(evloop(?:/\w+)?\.h(?:pp)?) - (.*)", lines[0])
    return (match[1], match[2]) if match else (None, None)


def block(lines, opening):
    lines = body(lines)
    return [opening + " " + lines[0]] + lines[1:-1] + [lines[-1] + " */"] if len(lines) > 1 else \
        [f"{opening} {lines[0]} */"]


def is_declaration(line):
    return bool(re.match(r"(EVL_API|EVL_TLS_API|EVL_FIBER_API|EVL_HTTP_API|EVL_HTTPD_API|typedef|struct|enum|#\s*define EVL|[a-z])", line))


# Of a C++ class: what is there because the language, or co_await, wants it. Nothing of it is in the reference.
CONVENTIONAL = re.compile(
    r"\s+(static constexpr (const char \*name|bool keeps)\b|bool await_ready\(|.*\bawait_suspend\(|.*\bawait_resume\(|"
    r"std::int32_t start\(evl_loop|.*\b(finish|settle)\(std::int64_t|.*= (delete|default);|~\w+\(|"
    r"(?:explicit )?(?P<self>\w+)\((const )?(?P=self)(<.*>)? &&?|.*\boperator=\(|.*\boperator co_await\(|"
    r"using (\w+_base|op_awaitable|handle|base)\b|"
    r"static_assert|friend |.*\bstate\(\) const|"
    r"using (value_type|promise_type|difference_type|value|duration|rep|period|time_point) =|"
    r"static constexpr bool is_steady|explicit (\w+)\(evl_\w+ \*\w+\))")
# Classes that are only awaited, or only looped over: what makes them is documented.
AWAITED = re.compile(r"\s*(?:class|struct) (?:\[\[.*?\]\] )?(\w+_awaitable|\w+_awaiter|waiting|getting|putting|joining|"
                     r"acquiring|iterator)\b(?!;)")
# What a member is by its name, in every class.
KNOWN = {
    "c": "The object of C, which stays this object's.",
    "fd": "The file descriptor, which stays this object's.",
    "name": "The name given by set_name, or an empty one.",
    "data": "The first byte.",
    "size": "How many.",
    "begin": "The first.",
    "end": "Behind the last.",
    "operator*": "What it refers to.",
    "operator->": "What it refers to.",
    "operator[]": "The one at an index.",
    "operator bool": "Whether there is one.",
    "has_value": "Whether there is a value and no error.",
    "value": "The value; an error is thrown.",
    "make": "As the constructor, with the error in the result.",
}
WRAPPER = re.compile(r"^(?:    )?\S.*\) (?:const )?(?:&& |& )?(?:noexcept )?\{.*?\b(evl_\w+)\(")
MEMBER = re.compile(r"^(?:    )?(?!\s|return|if|for|while|else|class|struct|enum|namespace|using|#|//|public|private|static_assert|"
                    r"template)[\w:&<>,*\[\] ]*?\b(operator(?:\*|->|\[\]| bool)|\w+)\(")


def comment_above(out):
    """Takes the comment off that the lines end in, above a template's first line perhaps; leaves as many empty ones."""
    n = len(out)
    while out and out[-1].lstrip().startswith("template"):
        out.pop()
    comment = []
    while out and out[-1].lstrip().startswith("//"):
        comment.insert(0, out.pop())
    out += [""] * (n - len(out))
    return comment


def without_details(lines):
    """The lines of a C++ header with inner namespaces and awaited classes left empty. The comment of such a class goes
    to the function right below it."""
    out, n = [], 0
    while n < len(lines):
        line = lines[n]
        last = n
        if re.match(r"namespace detail \{", line):
            last = lines.index("} // namespace detail", n)
        elif AWAITED.match(line) and not line.rstrip().endswith("};"):
            last = lines.index(line[:len(line) - len(line.lstrip())] + "};", n)
        elif not AWAITED.match(line):
            out.append(line.replace("namespace evloop::inline EVLOOP_CPP_ABI {", "namespace evloop {"))
            n += 1
            continue
        comment = comment_above(out)
        below = lines[last + 1].lstrip()
        if not below or below.startswith(("//", "class", "}")) or len(comment) > last + 1 - n:
            comment = []
        out += [""] * (last + 1 - n - len(comment)) + comment
        n = last + 1
    return out


class Members:
    """The declarations of a C++ header, one line after the other: those without a comment get what is known of
    them. Without an empty line between them, a declaration shares the comment of the one above."""

    def __init__(self):
        self.comment = None  # that the declarations from here on share
        self.fresh = False   # it stands right above

    def commented(self, lines):
        self.comment, self.fresh = " ".join(line for line in lines if line), True

    def line(self, line):
        if not line.strip() or re.match(r"\s*(\};|public:|private:|protected:)|\}", line):
            self.comment = None
            return line
        if self.fresh:
            self.fresh = line.startswith("template") or line.lstrip().startswith("template")
            return line
        if CONVENTIONAL.match(line):
            return "/** @private */ " + line
        if re.match(r"    (explicit )?\w+\(", line) and not self.comment:
            return "/** Makes one. */ " + line
        member, called = MEMBER.match(line), WRAPPER.match(line)
        starts_here = member or re.match(r"(?:    )?template", line)
        if called and called[1] in FUNCTIONS:
            return f"/** As @ref {called[1]} \"{called[1]}\". */ {line}"
        if member and member[1] in KNOWN:
            return f"/** {KNOWN[member[1]]} */ {line}"
        if starts_here and self.comment:
            if line.lstrip().startswith("template"):
                self.fresh = True
            return f"/** {self.comment} */ {line}"
        return line


def convert(source, name):
    lines, out, i = source.split("\n"), [], 0
    cpp = name.endswith(".hpp")
    members = Members()
    if cpp:
        lines = without_details(lines)
    shared, seen = None, 0
    while i < len(lines):
        line = lines[i]
        starts = re.match(r"^\s*//(?! ---| NOLINT| clang)" if cpp else r"^\s*/\*(?! ---)", line)
        if starts:
            end = i
            if cpp:
                while end + 1 < len(lines) and re.match(r"^\s*//", lines[end + 1]):
                    end += 1
            else:
                while "*/" not in lines[end]:
                    end += 1
            comment = plain(lines[i:end + 1], "//" if cpp else "/*")
            file, brief = summary_of_file(comment) if i == 0 else (None, None)
            if file:
                comment[0] = brief
                out += block(comment, f"/** @file {file.split('/')[-1]} @brief")
            elif end + 1 < len(lines) and lines[end + 1].strip():
                out += block(comment, "/**")
                members.commented(body(comment))
            else:
                out += [""] * (end + 1 - i)
            i = end + 1
            shared, seen = None, 0
            continue
        trailing = re.match(r"^(.*?\S.*?)\s*//\s(.*)$" if cpp else r"^(.*?\S.*?)\s*/\*\s(.*)$", line)
        if trailing and not line.lstrip().startswith("#") and '"//' not in line:
            end = i
            comment = [trailing[2]]
            if not cpp:
                while "*/" not in lines[end]:
                    end += 1
                    comment.append(re.sub(r"^\s*\*? ?", "", lines[end]))
                comment = [re.sub(r"\s*\*/.*$", "", part).strip() for part in comment]
            made = block(comment, "/**<")
            out += [trailing[1] + " " + made[0]] + made[1:]
            i = end + 1
            continue
        if not cpp:
            # Declarations that stand together share the comment above the first.
            declared = re.match(r"EVL_(?:TLS_|FIBER_|HTTP_|HTTPD_)?API\b[^;]*?\b(evl_\w+)\(", line)
            alias = re.match(r"typedef struct evl_handle (evl_\w+);", line) or re.match(r"#define (EVL_VERSION_\w+)", line)
            if not line.strip() or line.startswith("#if") or line.startswith("}"):
                shared = None
            elif declared or alias:
                this = (declared or alias)[1]
                if shared and shared != this:
                    line = f"/** @copydoc {shared} */ {line}"
                shared = shared or this
        if cpp:
            line = members.line(line)
        elif re.match(r"    \w+ (struct_size|reserved|opaque(\[\d+\])?);$", line):
            line += f" /**< {'sizeof the structure' if 'struct_size' in line else 'not for the caller'} */"
        out.append(line)
        i += 1
    return "\n".join(out)


