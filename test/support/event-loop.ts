/** Processor time this process has used, in milliseconds. What others do on the machine does not count. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Processor time that `work` takes, in milliseconds. */
export async function processorTimeOf(work: () => Promise<unknown>): Promise<number> {
  const began = processorTime()
  await work()
  return processorTime() - began
}

/**
 * The longest time that the event loop was not free while `work` ran, in milliseconds, and how often it was free. A busy
 * machine does not count as a stall, since no more counts than this process used of the processor; nor does what its
 * other threads do, since no more counts than passed.
 */
export async function worstStall(work: () => Promise<unknown>): Promise<{ stall: number; beats: number }> {
  let stall = 0
  let beats = 0
  let last = { used: processorTime(), at: performance.now() }
  const beat = () => {
    const now = { used: processorTime(), at: performance.now() }
    stall = Math.max(stall, Math.min(now.used - last.used, now.at - last.at))
    last = now
    beats++
  }
  const heart = setInterval(beat, 5)
  try {
    await work()
  } finally {
    clearInterval(heart)
    beat()
  }
  return { stall, beats }
}
