// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import Synchronization
internal import WeirColumnar
internal import WeirHTTP
internal import WeirStreaming

/// The log of a service on standard error: one line for each event, as text or as a JSON object.
///
/// A line that cannot be written at once is dropped, and counted: a service neither ends nor waits because
/// the disk of its log is full, or whoever reads its log is slow or gone.
final class ServiceLog: Sendable {
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case text, json
  }

  private let format: Format
  /// Whether events of level `debug` and requests are written.
  private let isVerbose: Bool
  /// How many lines were dropped since the last one that was written.
  private let dropped = Mutex(0)
  /// What a pipe takes without waiting when it takes anything.
  private static let lineBytesMax = 4_096
  private static let messageBytesMax = 2_048

  init(_ format: Format, isVerbose: Bool) {
    self.format = format
    self.isVerbose = isVerbose
    // A reader that is gone is an error of `write`.
    signal(SIGPIPE, SIG_IGN)
  }

  func write(_ event: StreamEvent) {
    guard event.level != .debug || isVerbose else { return }
    var fields: [(String, JSONValue)] = []
    if let stream = event.stream { fields.append(("stream", .string("\(stream)"))) }
    if let shard = event.shard { fields.append(("shard", .int(shard))) }
    fields += event.counts.map { ($0.name, .int($0.value)) }
    write(event.level, event.name, event.message, fields)
  }

  /// - Parameter error: why the service ends.
  func writeFailure(_ error: String) { write(.error, "failed", error, []) }

  func write(_ record: AccessRecord) {
    write(
      .debug, "request", "",
      [
        ("client", .string(record.client)), ("method", .string(record.method)),
        ("target", .string(String(record.target.prefix(512)))), ("status", .int(record.status)),
        ("received_bytes", .int(record.requestByteCount)),
        ("sent_bytes", .int(record.responseByteCount)),
        ("microseconds", .int(record.microseconds)),
      ])
  }

  func write(
    _ level: StreamEvent.Level, _ name: String, _ message: String, _ fields: [(String, JSONValue)]
  ) {
    let time = Self.time
    let message = String(decoding: message.utf8.prefix(Self.messageBytesMax), as: UTF8.self)
    dropped.withLock { dropped in
      if dropped > 0 {
        let about = "\(dropped) \(dropped == 1 ? "line" : "lines") could not be written"
        let line = line(time, .warning, "log_lines_dropped", about, [("lines", .int(dropped))])
        guard writeLine(line) else {
          dropped += 1
          return
        }
        dropped = 0
      }
      if !writeLine(line(time, level, name, message, fields)) { dropped += 1 }
    }
  }

  private func line(
    _ time: String, _ level: StreamEvent.Level, _ name: String, _ message: String,
    _ fields: [(String, JSONValue)]
  ) -> String {
    switch format {
    case .json:
      var object: [(String, JSONValue)] = [
        ("time", .string(time)), ("level", .string(level.rawValue)), ("event", .string(name)),
      ]
      object += fields
      if !message.isEmpty { object.append(("message", .string(message))) }
      return JSONValue.object(JSONObject(object)).text
    case .text:
      let parts = fields.map { name, value in
        if case .string(let text) = value { return "\(name)=\(TextWidth.printable(text))" }
        return "\(name)=\(value.text)"
      }
      let head = ([time, level.rawValue, name] + parts).joined(separator: " ")
      return message.isEmpty ? head : "\(head): \(TextWidth.printable(message))"
    }
  }

  /// Now, as RFC 3339 has it.
  private static var time: String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let micros = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    let text = Scalar.int(micros).text(as: .timestamp(.microsecond, timeZone: "UTC"))
    let digits = text.prefix { $0 != "+" && $0 != "Z" }
    return digits.map { $0 == " " ? "T" : String($0) }.joined() + "Z"
  }

  /// - Returns: whether the line was written.
  private func writeLine(_ line: String) -> Bool {
    var bytes = Array(line.utf8.prefix(Self.lineBytesMax - 1))
    bytes.append(UInt8(ascii: "\n"))
    var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    guard poll(&descriptor, 1, 0) == 1, descriptor.revents & Int16(POLLOUT) != 0 else {
      return false
    }
    while true {
      let written = Glibc.write(STDERR_FILENO, bytes, bytes.count)
      if written < 0 && errno == EINTR { continue }
      return written == bytes.count
    }
  }
}
