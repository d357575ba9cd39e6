// One peer of the shared-memory test, in JavaScript: see peer.c for what a peer does and how it is started. The compiled
// addon is named by the environment variable MEMORY_ADDON.
'use strict';

const memory = require(process.env.MEMORY_ADDON);

const SIZE = 8192;
const [ARRIVED, COUNTER, LOCK, GUARDED, TURN, MESSAGE] = [0, 128, 256, 384, 512, 4096].map((offset) => offset / 8);

function waitFor(words, index, value) {
  while (Atomics.load(words, index) !== value) {
    memory.yield();
  }
}

function lock(words) {
  while (Atomics.compareExchange(words, LOCK, 0n, 1n) !== 0n) {
    memory.yield();
  }
}

function main() {
  const path = process.argv[2];
  const [index, peers, additions, turns] = process.argv.slice(3).map(BigInt);
  const words = new BigUint64Array(memory.map(path, SIZE));

  Atomics.add(words, ARRIVED, 1n);
  waitFor(words, ARRIVED, peers);

  for (let i = 0n; i < additions; i++) {
    Atomics.add(words, COUNTER, 1n);
  }

  for (let i = 0n; i < additions / 100n; i++) {
    lock(words);
    words[GUARDED] += 1n;
    Atomics.store(words, LOCK, 0n);
  }

  for (let i = 0n; i < turns; i++) {
    const turn = i * peers + index;
    waitFor(words, TURN, turn);
    words[MESSAGE] = BigInt.asUintN(64, words[MESSAGE] * 31n + index + 1n);
    Atomics.store(words, TURN, turn + 1n);
  }
}

main();
