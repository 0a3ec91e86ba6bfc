// fhirpath.js on the data of bench/fhirpath.py: one JSON question per line in, one answer per line out.
"use strict";
const readline = require("node:readline");
const fhirpath = require("fhirpath");
const model = require("fhirpath/fhir-context/r4");

const lines = readline.createInterface({ input: process.stdin });
let data = null;
const programs = new Map();

lines.on("line", (line) => {
  const question = JSON.parse(line);
  if (question.data) {
    data = question.data;
    console.log(JSON.stringify({ version: require("fhirpath/package.json").version }));
    return;
  }
  if (!programs.has(question.expression)) {
    programs.set(question.expression, fhirpath.compile(question.expression, model));
  }
  const run = programs.get(question.expression);
  const times = [];
  let answer = null;
  for (let count = 0; count < question.runs; count += 1) {
    const start = process.hrtime.bigint();
    answer = run(data.resource, data.variables);
    times.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ microseconds: times[times.length >> 1], answer }));
});
