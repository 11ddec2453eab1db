/** The client that the end-to-end tests drive, against a collector made here that fails in turn. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('over real HTTP: 503, a lost answer and a cut connection cost no event, and none is stored that was not made', async () => {
  const stored = new Map<string, number>();
  let requestCount = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { events } = JSON.parse(body) as { events: { event_id: string }[] };
      const turn = requestCount++ % 5;
      if (turn === 1) return response.writeHead(503, { 'Retry-After': '1' }).end('{"error":"x"}');
      if (turn === 2) return request.socket.destroy();
      for (const { event_id: id } of events) stored.set(id, (stored.get(id) || 0) + 1);
      // Stored, but the answer is lost.
      if (turn === 3) return request.socket.destroy();
      return response
        .writeHead(200)
        .end(JSON.stringify({ request_id: 'r', accepted: events.length, duplicates: 0, rejected: 0, errors: [] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../test/e2e_client.mjs', import.meta.url))], {
    env: {
      ...process.env,
      COLLECTOR_URL: `http://127.0.0.1:${port}`,
      WRITE_KEY: 'wk',
      APP_ID: 'wx1',
      USERS: '4',
      EVENTS: '10',
      KILLS: '1',
      DEADLINE_S: '240',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const exitCode = await new Promise((resolve) => child.on('close', resolve));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));

  const result = JSON.parse(output) as { created: string[]; delivered: string[]; queued: number; dropped: object };
  assert.equal(exitCode, 0);
  assert.equal(result.queued, 0);
  assert.deepEqual(result.dropped, {});
  assert.deepEqual([...stored.keys()].sort(), [...result.created].sort());
  // 4 users: launch, show, view, identify, share, 10 events, an odd one, leave, hide; the killed one starts once more.
  assert.equal(result.created.length, 4 * 18 + 3);
});
