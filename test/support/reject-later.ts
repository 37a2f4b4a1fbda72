/* Loaded before the program by a test of what it does about an error that nothing expects. */
process.on('SIGUSR2', () => void Promise.reject(new Error('nobody waits for this')))
process.on('SIGWINCH', () => {
  throw new Error('nobody catches this')
})
