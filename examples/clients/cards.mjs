// A CDS client for Node 18 or newer and, without the first and last lines, for a browser:
// discovery, a call, its cards, and feedback on the first.
// Usage: node cards.mjs REQUEST.json [BASE]
import { readFile } from "node:fs/promises";

async function send(url, body) {
  const answer = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${answer.status}: ${JSON.parse(text).issue[0].diagnostics}`);
  }
  return text ? JSON.parse(text) : null;
}

async function main(file, base = "http://127.0.0.1:8080") {
  const call = JSON.parse(await readFile(file, "utf8"));
  const { services } = await send(`${base}/cds-services`);
  const service = services.find((item) => item.hook === call.hook);
  const url = `${base}/cds-services/${service.id}`;
  const { cards } = await send(url, call);
  for (const card of cards) {
    console.log(`${card.indicator}: ${card.summary} (${card.source.label})`);
  }
  const reason = cards[0]?.overrideReasons?.[0];
  if (reason) {
    const entry = {
      card: cards[0].uuid,
      outcome: "overridden",
      overrideReason: { reason },
      outcomeTimestamp: new Date().toISOString(),
    };
    await send(`${url}/feedback`, { feedback: [entry] });
    console.log(`overridden: ${reason.display}`);
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
