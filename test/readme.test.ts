import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { VARIABLES } from '../src/config.ts'

const ROOT = join(import.meta.dir, '..')

/** The table of variables as the README must show it. */
function configurationTable(): string {
  const rows = VARIABLES.map(({ name, shownDefault, meaning, secret }) => {
    const fallback =
      /^[./\d\w:$-]+$/.test(shownDefault) && !['off', '–'].includes(shownDefault) ? `\`${shownDefault}\`` : shownDefault
    return `| \`${name}\`${secret ? ' *' : ''} | ${fallback} | ${meaning} |`
  })
  return [
    '| variable | default | meaning |',
    '|---|---|---|',
    ...rows,
    '',
    '\\* a secret: `NAME_FILE` reads it from a file, and so does a systemd credential called `NAME`.',
  ].join('\n')
}

test('the README shows the table of variables that the program reads', async () => {
  const readme = await Bun.file(join(ROOT, 'README.md')).text()
  const shown = /<!-- configuration table:.*-->\n([\s\S]*?)\n<!-- end -->/.exec(readme)?.[1]
  expect(shown).toBe(configurationTable())
})

test('every document that the README links to is there', async () => {
  const readme = await Bun.file(join(ROOT, 'README.md')).text()
  const links = [...readme.matchAll(/\]\(((?!https?:)[^)]+)\)/g)].map((match) => match[1] ?? '')
  expect(links.length).toBeGreaterThan(3)
  for (const link of links) expect(await Bun.file(join(ROOT, link)).exists()).toBe(true)
})
