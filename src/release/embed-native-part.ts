import { dirname, join } from 'node:path'
import type { BunPlugin } from 'bun'

/** What libsql has, and what becomes of it. */
const DYNAMIC_REQUIRE = ['return require(`@libsql/$', '{target}`);'].join('')
const DEVELOPMENT_REQUIRE = 'return load(__dirname)'

/**
 * libsql requires its native part through a template string, which no bundler can follow. The expression is replaced
 * by a static path. The one for its own development would put the directory of the build into the executable and goes.
 * A libsql without either stops the build.
 */
export function embedNativePart(part: string, directory: string): BunPlugin {
  return {
    name: 'embed-libsql-native-part',
    setup(builder) {
      builder.onLoad({ filter: /[/\\]node_modules[/\\]libsql[/\\]index\.js$/ }, async ({ path }) => {
        if (dirname(path).includes('drizzle-orm')) return undefined
        const source = await Bun.file(path).text()
        if (!source.includes(DYNAMIC_REQUIRE) || !source.includes(DEVELOPMENT_REQUIRE))
          throw new Error(`libsql no longer loads ${part} the way the build knows.`)
        const required = `return require(${JSON.stringify(join(directory, 'index.node'))});`
        const contents = source.replace(DYNAMIC_REQUIRE, required).replace(DEVELOPMENT_REQUIRE, required)
        return { contents, loader: 'js' }
      })
    },
  }
}
