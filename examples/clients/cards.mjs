// A CDS client for Node 18 or newer and, without the first and last lines, for a browser:
// discovery, a call, its cards, and feedback on the first.
// Usage: node cards.mjs REQUEST.json [BASE]
// A card that was overridden with a reason is not shown to that user for that patient again.
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
  if (!cards.length) console.log("no cards");
  for (const card of cards.slice(0, 1)) {
    const { told, ...what } = decided(card);
    const entry = { card: card.uuid, outcomeTimestamp: new Date().toISOString(), ...what };
    await send(`${url}/feedback`, { feedback: [entry] });
    console.log(`${entry.outcome}: ${told}`);
  }
}

// A user who takes the first suggestion, or gives the first reason against; and its words.
function decided({ suggestions, overrideReasons }) {
  if (suggestions) {
    const [{ uuid, label }] = suggestions;
    return { outcome: "accepted", acceptedSuggestions: [{ id: uuid }], told: label };
  }
  if (overrideReasons) {
    const [reason] = overrideReasons;
    return { outcome: "overridden", overrideReason: { reason }, told: reason.display };
  }
  return { outcome: "overridden", told: "the card asks for no reason" };
}

main(...process.argv.slice(2)).catch((error) => {
  const silent = error.cause && `no answer (${error.cause.code}); is the service running?`;
  console.error(silent || error.message);
  process.exitCode = 1;
});
