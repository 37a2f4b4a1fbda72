/** An event that a server sent: its name, and its data as JSON. */
export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

/** Longest event that is read, in characters: what a sync changed may be a long list. */
const LONGEST = 4 * 1024 * 1024

/**
 * The events of an answer, as they come (HTML standard, section 9.2, as far as this program's server uses it). The
 * connection is given up with the loop. Throws when the answer breaks off, or is no stream of events.
 */
export async function* serverEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.ok || response.body === null) throw new Error(`no events: ${response.status}`)
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = eventOf(text.slice(0, end))
      text = text.slice(end + 2)
      if (event !== null) yield event
    }
    if (text.length > LONGEST) throw new Error('an event is too long')
  }
}

/** Null for a comment, and for anything else without data. */
function eventOf(block: string): ServerEvent | null {
  const lines = block.split('\n')
  const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
  const data = field('data')
  return data === undefined ? null : { event: field('event') ?? 'message', data: JSON.parse(data) }
}
