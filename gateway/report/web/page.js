// page — starts the parts and feeds them with what the gateway sends

import { $, make } from './common.js';
import * as heat from './heat.js';
import * as detail from './detail.js';
import * as standing from './standing.js';
import * as tables from './tables.js';

const QUEUE_MS = 5000;
const AGAIN_MS = 3000;
let source = null;

function setLink(text, kind) {
  $('link').textContent = text;
  $('link').className = `state ${kind}`;
}

// What was asked for is answered again.
function showLive() {
  if (source.readyState === EventSource.OPEN) setLink('live', 'live');
}

function drawTotals(t) {
  if (!t) {
    $('totals').replaceChildren(make('div', {}, make('dt', {}, 'relay'),
      make('dd', {}, 'does not answer')));
    return;
  }
  const q = t.queue;
  const figures = { received: t.received, delivered: t.delivered, deferred: t.deferred,
    bounced: t.bounced, ready: q.urgent + q.high + q.normal + q.bulk, busy: q.busy,
    waiting: q.waiting, sessions: q.sessions };
  $('totals').replaceChildren(...Object.entries(figures).map(([name, n]) => make('div', {},
    make('dt', {}, name), make('dd', {}, n.toLocaleString()))));
}

function follow() {
  source = new EventSource('api/v1/events');
  const on = (name, fn) => source.addEventListener(name, (e) => fn(JSON.parse(e.data)));
  source.onopen = () => {
    setLink('live', 'live');
    tables.loadEvents().catch((e) => setLink(e.message, 'lost')); // also what a break has hidden
  };
  source.onerror = () => {
    setLink('connection lost, trying again', 'lost');
    // By itself it comes back after a break, but not after a refusal (too many listen already).
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS);
  };
  on('all_paths', (rows) => { heat.setAll(rows); detail.refreshFacts(); });
  on('paths', (rows) => { heat.setSome(rows); detail.refreshFacts(); });
  on('egress', (rows) => {
    tables.drawEgresses(rows);
    heat.setFaults(rows);
    standing.drawAddresses(rows);
  });
  on('standing', (e) => { standing.addEvent(e); detail.addStanding(e); });
  on('link', tables.addEvent);
  on('totals', drawTotals);
}

function repeat(fn, everyMs) {
  const run = () => {
    if (!document.hidden) fn().then(showLive).catch((e) => setLink(e.message, 'lost'));
  };
  run();
  setInterval(run, everyMs);
}

heat.start(detail.openDetail);
detail.start();
standing.start();
follow();
repeat(tables.loadQueue, QUEUE_MS);
