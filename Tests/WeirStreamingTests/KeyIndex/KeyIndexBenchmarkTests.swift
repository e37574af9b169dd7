// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing

@Suite struct KeyIndexBenchmarkTests {
  @Test(.enabled(if: KeyIndexBenchmark.isWanted)) func benchmark() throws {
    guard let folder = getenv("WEIR_BENCH_INDEX") else { return }
    try KeyIndexBenchmark.run(folder: String(cString: folder))
  }
}
