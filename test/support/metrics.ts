/** Values of a text in Prometheus' format, by name with labels: `jobs{state="queued"}`. */
export function readMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const at = line.lastIndexOf(' ')
    values.set(line.slice('package_broker_'.length, at), Number(line.slice(at + 1)))
  }
  return values
}
