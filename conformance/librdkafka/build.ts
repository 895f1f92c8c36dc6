/**
 * librdkafka's test runner, built from the sources that its binding for Node ships. RapidJSON, which
 * some of the tests read statistics with, comes as headers in a source package of PyPI.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SuiteContext } from '../support/suite-context.ts'

const packageName = '@confluentinc/kafka-javascript'
const packageVersion = '1.10.1' // librdkafka 2.15.1
const rapidJson = 'python-rapidjson==1.25'

const log = 'build.log'
const limitMs = 900_000

/** @returns the folder of the built tests. */
export async function builtTests(context: SuiteContext): Promise<string> {
  const version = `${packageName}@${packageVersion} ${rapidJson}`
  const folder = await context.installed('tests', version, async (cwd) => {
    writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n')
    const npm = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
    await context.mustRun('npm', [...npm, `${packageName}@${packageVersion}`], {
      cwd,
      limitMs,
      log,
    })
    const pip = ['-m', 'pip', 'download', '--no-deps', '--no-binary', ':all:', rapidJson]
    await context.mustRun('python3', pip, { cwd, limitMs, log })
    const unpack = 'mkdir rapidjson && tar xzf python*rapidjson*.tar.gz -C rapidjson --strip 1'
    await context.mustRun('sh', ['-c', unpack], { cwd, log })

    const sources = librdkafkaIn(cwd)
    const headers = join(cwd, 'rapidjson', 'rapidjson', 'include')
    const env = { CPPFLAGS: `-DWITH_RAPIDJSON=1 -I${headers}` }
    await context.mustRun('./configure', [], { cwd: sources, env, limitMs, log })
    await context.mustRun('make', ['-j2', 'libs'], { cwd: sources, limitMs, log })
    await context.mustRun('make', ['-j2', '-C', 'tests', 'build'], { cwd: sources, limitMs, log })
  })
  return join(librdkafkaIn(folder), 'tests')
}

function librdkafkaIn(folder: string): string {
  return join(folder, 'node_modules', packageName, 'deps', 'librdkafka')
}
