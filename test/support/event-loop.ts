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
 * The longest time that the event loop was not free while `work` ran, in milliseconds of processor time, so that a busy
 * machine does not count as a stall; and how often it was free.
 */
export async function worstStall(work: () => Promise<unknown>): Promise<{ stall: number; beats: number }> {
  let stall = 0
  let beats = 0
  let last = processorTime()
  const heart = setInterval(() => {
    const now = processorTime()
    stall = Math.max(stall, now - last)
    last = now
    beats++
  }, 5)
  try {
    await work()
  } finally {
    clearInterval(heart)
  }
  return { stall: Math.max(stall, processorTime() - last), beats }
}
