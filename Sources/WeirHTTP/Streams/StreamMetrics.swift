// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirStreaming

/// Counts of a server, as Prometheus reads them (text format 0.0.4).
final class StreamMetrics: Sendable {
  private struct Key: Hashable {
    var route: String
    var method: String
    var status: Int
  }

  private struct Histogram {
    var counts = [Int](repeating: 0, count: StreamMetrics.bounds.count + 1)
    var microseconds = 0
  }

  private struct State {
    var requests: [Key: Int] = [:]
    var durations: [String: Histogram] = [:]
    /// By surface and kind.
    var fallbacks: [String: [String: Int]] = [:]
    var receivedByteCount = 0
    var sentByteCount = 0
  }

  private let state = Mutex(State())

  /// Upper ends of a histogram's ranges; microseconds.
  private static let bounds = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
  ]

  func count(route: String, _ record: AccessRecord) {
    // Methods that nobody knows do not make new lines.
    let method = ["GET", "HEAD", "POST"].contains(record.method) ? record.method : "other"
    state.withLock { state in
      state.requests[Key(route: route, method: method, status: record.status), default: 0] += 1
      state.receivedByteCount += record.requestByteCount
      state.sentByteCount += record.responseByteCount
      var histogram = state.durations[route] ?? Histogram()
      let place = Self.bounds.firstIndex { record.microseconds <= $0 } ?? Self.bounds.count
      histogram.counts[place] += 1
      histogram.microseconds += record.microseconds
      state.durations[route] = histogram
    }
  }

  /// Counts what did not go as declared in a list.
  func count(fallbacks codes: [String], surface: String) {
    guard !codes.isEmpty else { return }
    state.withLock { state in
      for code in codes {
        // What stands behind a colon differs from list to list.
        state.fallbacks[surface, default: [:]][String(code.prefix { $0 != ":" }), default: 0] += 1
      }
    }
  }

  /// All metrics: those of requests, and those of the streams.
  func text(_ service: any StreamService, waitingByteCount: Int) -> String {
    var text = PrometheusText()
    requests(&text)
    text.family("weir_request_body_bytes", "gauge", "Bytes of bodies that are worked on.")
    text.sample("weir_request_body_bytes", [], waitingByteCount)
    let streams = service.tables.compactMap { table in
      (try? service.stream(table)).map { ("\(table)", $0.status()) }
    }
    let totals: [(String, String, KeyPath<StreamStatus, Int64>)] = [
      ("weir_stream_appended_rows_total", "Rows that were taken in.", \.appendedRowCount),
      ("weir_stream_dead_letters_total", "Records that were refused.", \.deadLetterCount),
      ("weir_stream_flushes_total", "Commits of rows to the table.", \.flushCount),
      (
        "weir_stream_failed_flushes_total", "Commits of rows that failed.", \.failedFlushCount
      ),
    ]
    for (name, help, value) in totals {
      text.family(name, "counter", help)
      for (table, status) in streams {
        text.sample(name, [("table", table)], status[keyPath: value])
      }
    }
    text.family("weir_stream_lag_rows", "gauge", "Rows that the table does not hold yet.")
    for (table, status) in streams {
      text.sample("weir_stream_lag_rows", [("table", table)], status.lagRowCount)
    }
    text.family(
      "weir_stream_lag_seconds", "gauge", "For how long the oldest row has waited for the table.")
    for (table, status) in streams {
      text.sample(
        "weir_stream_lag_seconds", [("table", table)], Double(status.lagMicroseconds) / 1e6)
    }
    shards(&text, streams)
    PipelineMetrics.add(service.pipelines, to: &text)
    MaintenanceMetrics.add(service.care, to: &text)
    return text.text
  }

  private func requests(_ text: inout PrometheusText) {
    let state = state.withLock { $0 }
    text.family("weir_requests_total", "counter", "Answered requests.")
    for (key, count) in state.requests.sorted(by: {
      ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
    }) {
      text.sample(
        "weir_requests_total",
        [("route", key.route), ("method", key.method), ("status", "\(key.status)")], count)
    }
    text.family("weir_serving_fallbacks_total", "counter", "What lists stood back from.")
    for (surface, counts) in state.fallbacks.sorted(by: { $0.key < $1.key }) {
      for (code, count) in counts.sorted(by: { $0.key < $1.key }) {
        text.sample(
          "weir_serving_fallbacks_total", [("surface", surface), ("code", code)], count)
      }
    }
    text.family("weir_received_bytes_total", "counter", "Bytes of requests' bodies.")
    text.sample("weir_received_bytes_total", [], state.receivedByteCount)
    text.family("weir_sent_bytes_total", "counter", "Bytes of answers' bodies.")
    text.sample("weir_sent_bytes_total", [], state.sentByteCount)
    text.family("weir_request_seconds", "histogram", "From a request's head to its answer.")
    for (route, histogram) in state.durations.sorted(by: { $0.key < $1.key }) {
      var sum = 0
      for (bound, count) in zip(Self.bounds, histogram.counts) {
        sum += count
        text.sample(
          "weir_request_seconds_bucket",
          [("route", route), ("le", "\(Double(bound) / 1e6)")], sum)
      }
      sum += histogram.counts[Self.bounds.count]
      text.sample("weir_request_seconds_bucket", [("route", route), ("le", "+Inf")], sum)
      text.sample(
        "weir_request_seconds_sum", [("route", route)], Double(histogram.microseconds) / 1e6)
      text.sample("weir_request_seconds_count", [("route", route)], sum)
    }
  }

  private func shards(_ text: inout PrometheusText, _ streams: [(String, StreamStatus)]) {
    let gauges: [(String, String, (StreamStatus.Shard) -> Int64)] = [
      ("weir_stream_log_bytes", "Bytes of a shard's log.", { $0.logByteCount }),
      (
        "weir_stream_memory_bytes", "Bytes of a shard's rows in memory.",
        { Int64($0.memoryByteCount) }
      ),
      ("weir_stream_end_offset", "Where a shard's next row goes.", { $0.logOffsets.upperBound }),
      (
        "weir_stream_covered_offset", "The table holds a shard's rows below it.",
        { $0.coveredOffset }
      ),
    ]
    for (name, help, value) in gauges {
      text.family(name, "gauge", help)
      for (table, status) in streams {
        for shard in status.shards {
          text.sample(name, [("table", table), ("shard", "\(shard.shard)")], value(shard))
        }
      }
    }
  }
}

/// Lines of Prometheus' text format.
struct PrometheusText {
  private(set) var text = ""

  mutating func family(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  mutating func sample(
    _ name: String, _ labels: [(String, String)], _ value: some CustomStringConvertible
  ) {
    text += name
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",") + "}"
    }
    text += " \(value)\n"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
