import { expect, test } from "bun:test"
import { readJunit } from "../../dist-config/junit.ts"
import { testRequest } from "../../dist-config/suites.ts"

test("a report's cases are counted once each, however deep they are nested, and named from outside in", () => {
  const tally = readJunit(`<testsuites tests="4" failures="1" skipped="1"><testsuite name="test/a.test.ts" tests="4">
    <testcase name="one" classname="" file="test/a.test.ts" />
    <testsuite name="outer" tests="3"><testsuite name="inner" tests="3">
      <testcase name="&lt;two&gt; &amp; &quot;it&#39;s&quot;" classname="inner &gt; outer" file="test/a.test.ts">
        <skipped />
      </testcase>
      <testcase name="three" classname="inner &gt; outer" file="test/a.test.ts"><failure message="no">a &gt; b</failure></testcase>
      <testcase name="four" classname="inner &gt; outer" file="test/a.test.ts" line="9"/>
    </testsuite></testsuite></testsuite></testsuites>`)

  expect(tally).toEqual({
    passed: 2,
    failed: ["test/a.test.ts › outer › inner › three"],
    skipped: [`test/a.test.ts › outer › inner › <two> & "it's"`],
  })
})

test("words filter the files, and options from the first dash on are for bun test", () => {
  expect(testRequest(["engine", "-t", "a join"], false)).toEqual({
    filters: ["engine"],
    options: ["-t", "a join"],
    stopAtFirstFailure: false,
  })
})
