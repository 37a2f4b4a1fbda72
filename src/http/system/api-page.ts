import { join } from 'node:path'
import { assetDirectory } from '../../assets.ts'

/** Folder of the page inside the project and inside the executable. */
const FOLDER = 'src/http/system/api-page'

const CONTENT_TYPES = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
} as const

/** Nothing but what this server itself serves; no frame may hold the page. */
const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
}

/**
 * A file of the page, read each time: it is small, seldom asked for and need not stay in memory. The page names its
 * files relative to itself, which works below any path prefix; `/swagger/` with its slash is one step further in.
 */
export async function apiPageFile(name: keyof typeof CONTENT_TYPES, request: Request): Promise<Response> {
  const text = await Bun.file(join(assetDirectory(FOLDER), name)).text()
  const inside = new URL(request.url).pathname.endsWith('/')
  const body = name === 'page.html' && inside ? text.replaceAll('="swagger/', '="') : text
  return new Response(body, { headers: { 'Content-Type': CONTENT_TYPES[name], ...HEADERS } })
}
