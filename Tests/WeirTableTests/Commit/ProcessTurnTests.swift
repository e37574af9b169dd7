// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import _WeirTestSupport

@testable internal import WeirTable

/// Turns by locks on a file. Each `ProcessTurn` opens the file anew, as another process does.
@Suite struct ProcessTurnTests {
  @Test func oneAtATime() throws {
    let file = NSTemporaryDirectory() + "weir-turns-\(UInt64.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: file) }
    let environment = TableEnvironment()
    func turn(_ key: String) -> ProcessTurn? {
      ProcessTurn(file: file, key: key, waitMillisecondsMax: 20, environment)
    }
    var first = turn("a")
    #expect(first != nil)
    #expect(turn("a") == nil)
    #expect(turn("b") != nil)
    withExtendedLifetime(first) {}
    first = nil
    #expect(turn("a") != nil)
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)).isEmpty)
  }

  @Test func withoutAPlaceThereIsNone() {
    let turn = ProcessTurn(
      file: "/nowhere/at/all", key: "a", waitMillisecondsMax: 20, TableEnvironment())
    #expect(turn == nil)
  }
}
