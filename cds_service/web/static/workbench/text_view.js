// A textarea with line numbers, colours and marks: what is seen is drawn behind it, line by line.
// Only the lines in view are drawn, so that a long file stays quick. Lines are never wrapped.

import { highlight } from "./page.js";

const LINE = 20;
const TOP = 8;
const LEFT = 64;

export class TextView {
  constructor(root) {
    this.area = root.querySelector("textarea");
    this.layer = root.querySelector(".lines");
    this.findings = [];
    this.onChange = () => {};
    this.onCaret = () => {};
    this.area.addEventListener("input", () => {
      this.read();
      this.onChange();
    });
    this.area.addEventListener("scroll", () => this.draw());
    document.addEventListener("selectionchange", () => {
      if (document.activeElement === this.area) this.onCaret();
    });
    new ResizeObserver(() => this.draw()).observe(this.area);
    this.read();
  }

  get text() {
    return this.area.value;
  }

  read() {
    this.lines = this.text.split("\n");
    this.draw();
  }

  /** Marks these findings; each has line and column, from 1, and a severity. */
  mark(findings) {
    this.findings = findings;
    this.draw();
  }

  /** Line and column, from 1, of the caret. */
  get place() {
    const before = this.text.slice(0, this.area.selectionStart).split("\n");
    return { line: before.length, column: before.at(-1).length + 1 };
  }

  /** Where the caret is in pixels, from the corner of the editor. */
  get caret() {
    const { line, column } = this.place;
    const wide = this.layer.querySelector(".ruler").getBoundingClientRect().width / 10;
    return {
      left: LEFT + (column - 1) * wide - this.area.scrollLeft,
      top: TOP + line * LINE - this.area.scrollTop,
    };
  }

  /** Puts the caret on a place and shows it. */
  go(line, column) {
    const start = this.lines.slice(0, line - 1).reduce((sum, item) => sum + item.length + 1, 0);
    const at = start + Math.min(column - 1, this.lines[line - 1]?.length ?? 0);
    this.area.focus();
    this.area.setSelectionRange(at, at);
    this.area.scrollTop = Math.max(0, (line - 1) * LINE - this.area.clientHeight / 3);
    this.area.scrollLeft = Math.max(0, this.caret.left + this.area.scrollLeft - this.area.clientWidth * 0.7);
    this.draw();
    this.onCaret();
  }

  /** Replaces what stands between two places, so that undo knows it. */
  replace(from, to, text) {
    this.area.focus();
    this.area.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) {
      this.area.setRangeText(text, from, to, "end");
      this.area.dispatchEvent(new Event("input"));
    }
  }

  draw() {
    const { scrollTop, scrollLeft, clientHeight } = this.area;
    const first = Math.floor(scrollTop / LINE);
    const last = Math.min(this.lines.length, first + Math.ceil(clientHeight / LINE) + 1);
    const drawn = [this.ruler()];
    for (let index = first; index < last; index += 1) drawn.push(this.line(index, scrollLeft));
    this.layer.replaceChildren(...drawn);
    this.layer.style.transform = `translateY(${TOP + first * LINE - scrollTop}px)`;
  }

  ruler() {
    const ruler = document.createElement("span");
    ruler.className = "ruler";
    ruler.textContent = "0000000000";
    return ruler;
  }

  line(index, scrollLeft) {
    const found = this.findings.filter((finding) => finding.line === index + 1);
    const row = document.createElement("div");
    row.className = `row ${found.some((item) => item.severity === "problem") ? "problem-line" : found.length ? "warning-line" : ""}`;
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = index + 1;
    const code = document.createElement("span");
    code.className = "code json";
    code.style.transform = `translateX(${-scrollLeft}px)`;
    highlight(code, this.lines[index]);
    for (const finding of found) code.append(this.underline(finding));
    if (found.length) {
      const message = document.createElement("span");
      message.className = "said";
      message.textContent = found.map((finding) => finding.message).join(" · ");
      code.append(message);
    }
    row.append(number, code);
    return row;
  }

  underline(finding) {
    const mark = document.createElement("span");
    const word = /^["%']?[\w-]*/.exec(this.lines[finding.line - 1].slice(finding.column - 1))[0];
    mark.className = `wavy ${finding.severity}`;
    mark.style.left = `${finding.column - 1}ch`;
    mark.style.width = `${Math.max(1, word.length)}ch`;
    return mark;
  }
}
