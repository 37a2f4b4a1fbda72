/**
 * Does something with each of the items, at most `width` at once. The first failure ends the others, and is thrown when they
 * have ended; so does the signal.
 */
export async function inParallel<Item>(
  width: number,
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const waiting = items.values()
  const workers = Array.from({ length: Math.min(width, items.length) }, async () => {
    for (const item of waiting) {
      stop.throwIfAborted()
      try {
        await work(item, stop)
      } catch (error) {
        failed.abort(error)
        throw error
      }
    }
  })
  const ended = await Promise.allSettled(workers)
  if (failed.signal.aborted) throw failed.signal.reason
  const [rejected] = ended.filter((each) => each.status === 'rejected')
  if (rejected) throw rejected.reason
}
