// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirTable

/// The latest metrics reports of clients, within a bound; older ones go.
final class ReportLog: Sendable {
  /// What a client reported about a scan or a commit.
  struct Report: Sendable {
    var table: TableIdentifier
    var client: String
    /// Seconds since 1970.
    var receivedSeconds: Int
    /// The report's JSON text.
    var text: [UInt8]

    /// Counts towards the bound.
    fileprivate var byteCount: Int { text.count + 256 }
  }

  private struct State {
    var reports: [Report] = []
    var byteCount = 0
  }

  private let state = Mutex(State())
  private let byteCountMax: Int

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  /// Keeps a report, unless it alone is beyond the bound.
  func add(_ report: Report) {
    guard report.byteCount <= byteCountMax else { return }
    state.withLock { state in
      state.reports.append(report)
      state.byteCount += report.byteCount
      var goneCount = 0
      while state.byteCount > byteCountMax {
        state.byteCount -= state.reports[goneCount].byteCount
        goneCount += 1
      }
      state.reports.removeFirst(goneCount)
    }
  }

  /// The reports that are kept, oldest first.
  var reports: [Report] { state.withLock { $0.reports } }
}
