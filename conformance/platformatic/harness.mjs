/** Runs checks and prints one line of JSON for each: {"name", "outcome", "detail"}. */
import { EventEmitter, once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Admin } from '@platformatic/kafka'

const limitMs = 60_000
/** Half of it for a single wait, so that this says what was missing. */
export const waitMs = limitMs / 2
/** Emits `change` whenever a member of a group has got a record or an assignment. */
export const changes = new EventEmitter()
/** Clients of the check that runs. */
const opened = []

/** Has a client closed at the end of the check. */
export function open(client) {
  opened.push(client)
  return client
}

export async function run(name, check, ...parameters) {
  const failures = [await failure(() => check(...parameters))]
  for (const client of opened.splice(0).reverse()) failures.push(await failure(() => close(client)))
  const first = failures.find((found) => found !== undefined)
  const outcome = first === undefined ? 'passed' : 'failed'
  process.stdout.write(`${JSON.stringify({ name, outcome, detail: first })}\n`)
}

/** Those with streams end them too; an admin takes no argument of that kind. */
function close(client) {
  return client instanceof Admin ? client.close() : client.close(true)
}

/** What was wrong with it; it is wrong too when it takes too long. */
async function failure(action) {
  const over = new AbortController()
  const late = async () => {
    await setTimeout(limitMs, undefined, over)
    throw new Error(`not done after ${limitMs} ms`)
  }
  try {
    await Promise.race([action(), late()])
    return undefined
  } catch (error) {
    return describe(error)
  } finally {
    over.abort()
  }
}

/** Its errors hold others: what the broker said is in the innermost. */
function describe(error) {
  const inner = [...(error.errors ?? []), ...(error.cause === undefined ? [] : [error.cause])]
  const name = error.apiId === undefined ? '' : `${error.apiId} `
  const at = error.path === undefined ? '' : ` at ${error.path}`
  const [, line] = inner.length > 0 ? [] : (error.stack ?? '').split(/\n\s*/)
  const own = [`${name}${error.message}${at}`, ...(line === undefined ? [] : [line])]
  return [...own, ...inner.map(describe)].join('\n')
}

export function equal(what, found, expected) {
  if (isDeepStrictEqual(found, expected)) return
  throw new Error(`${what} is ${text(found)}, expected ${text(expected)}`)
}

function text(value) {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))
}

/** The broker must refuse with the error of this name. */
export async function refused(apiId, promise) {
  await rejects(promise, apiId, (error) => error.findBy?.('apiId', apiId))
}

/** For errors that the client words itself. */
export async function fails(message, promise) {
  await rejects(promise, message, (error) => error.message === message)
}

async function rejects(promise, what, isWanted) {
  try {
    await promise
  } catch (error) {
    if (isWanted(error)) return
    throw error
  }
  throw new Error(`no error: ${what}`)
}

/** Asks until the answer is the expected one: Kafka's brokers learn of changes after the answer. */
export async function becomes(what, ask, expected) {
  const endMs = Date.now() + waitMs
  let found = await ask()
  while (!isDeepStrictEqual(found, expected) && Date.now() < endMs) {
    await setTimeout(100)
    found = await ask()
  }
  equal(what, found, expected)
}

export async function until(isSo, what) {
  const signal = AbortSignal.timeout(waitMs)
  while (!isSo()) {
    try {
      await once(changes, 'change', { signal })
    } catch {
      throw new Error(`not: ${what()}`)
    }
  }
}
