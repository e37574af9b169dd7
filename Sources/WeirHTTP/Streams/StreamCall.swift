// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStreaming

/// What a request to a stream says in its head.
struct StreamCall: Sendable {
  var request: RESTRequest
  private var fields: [String: String]

  /// - Throws: for a query that cannot be read or that has a field which is not among `known`.
  init(_ request: RESTRequest, known: [String]) throws(RESTError) {
    self.request = request
    guard let pairs = formFields(request.query) else { throw .badText(in: request.query) }
    fields = Dictionary(pairs.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    for (name, _) in pairs where !known.contains(name) {
      let close = NameSuggestion.closest(to: name, known)
      throw .badRequest(
        "the query has '\(name)', which means nothing here"
          + (close.map { "; did you mean '\($0)'?" }
            ?? (known.isEmpty ? "" : "; it may have \(known.joined(separator: ", "))")))
    }
  }

  subscript(name: String) -> String? { fields[name] }

  func header(_ name: String) -> String? { request.headers[name] }

  func int(_ name: String, in range: ClosedRange<Int>) throws(RESTError) -> Int? {
    guard let text = fields[name] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw .badRequest(
        "'\(name)' is '\(text)' and must be a whole number from \(range.lowerBound) to "
          + "\(range.upperBound)")
    }
    return value
  }

  func flag(_ name: String) throws(RESTError) -> Bool? {
    switch fields[name] {
    case nil: return nil
    case "true", "1", "": return true
    case "false", "0": return false
    case let text?: throw .badRequest("'\(name)' is '\(text)' and must be true or false")
    }
  }

  /// One of several words.
  func choice<T: RawRepresentable & CaseIterable>(
    _ name: String, _ type: T.Type
  ) throws(RESTError) -> T? where T.RawValue == String {
    guard let text = fields[name] else { return nil }
    guard let value = T(rawValue: text) else {
      let words = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw .badRequest("'\(name)' is '\(text)' and must be one of \(words)")
    }
    return value
  }

  func list(_ name: String) -> [String]? {
    fields[name].map { $0.split(separator: ",").map(String.init) }
  }

  /// The media type of the body, without parameters.
  var contentType: String? { Self.mediaType(header("content-type")) }

  private static func mediaType(_ text: String?) -> String? {
    guard let text else { return nil }
    let type = text.prefix { $0 != ";" && $0 != "," }
    return type.split(separator: " ").first.map { $0.lowercased() }
  }

  /// The first of `offered` that the client accepts; the first of all when it says nothing.
  func accepted(_ offered: [String]) throws(RESTError) -> String {
    guard let accept = header("accept"), !accept.isEmpty else { return offered[0] }
    for part in accept.split(separator: ",") {
      guard let type = Self.mediaType(String(part)) else { continue }
      if type == "*/*" { return offered[0] }
      if let found = offered.first(where: { $0 == type }) { return found }
      if type.hasSuffix("/*"), let found = offered.first(where: { $0.hasPrefix(type.dropLast()) }) {
        return found
      }
    }
    throw RESTError(
      406, "NotAcceptableException",
      "this resource is \(offered.joined(separator: " or ")), and 'Accept' is '\(accept)'")
  }

  func codec() throws(RESTError) -> Codec? {
    switch header("content-encoding")?.lowercased() {
    case nil, "", "identity": return nil
    case "gzip", "x-gzip": return .gzip
    case "zstd": return .zstd
    case let other?:
      throw RESTError(
        415, "UnsupportedMediaTypeException",
        "the body is '\(other)'; send it plain, or as gzip or zstd")
    }
  }

  /// The form of the body's rows.
  func form() throws(RESTError) -> IngestForm {
    switch contentType {
    case IngestForm.arrowMediaType: return .arrow
    case nil, "application/x-ndjson", "application/jsonl", "application/json", "text/plain",
      "application/ndjson", "application/x-www-form-urlencoded":
      // The last is what curl says of --data.
      var options = JSONLinesOptions()
      options.unknownFields =
        try choice("unknown_fields", JSONLinesOptions.UnknownFields.self) ?? .error
      options.binary = try choice("binary", JSONLinesOptions.BinaryText.self) ?? .base64
      options.timestampUnit = try choice("timestamp_unit", TimeUnit.self)
      return .jsonLines(options)
    case let other?:
      throw RESTError(
        415, "UnsupportedMediaTypeException",
        "the body is '\(other)'; send application/x-ndjson or \(IngestForm.arrowMediaType)")
    }
  }

  /// Who sends, and the how-manieth batch it is.
  func producer() throws(RESTError) -> ProducerStamp? {
    switch (header("weir-producer-id"), header("weir-producer-sequence")) {
    case (nil, nil): return nil
    case (let id?, let text?):
      guard let sequence = Int64(text), sequence >= 0 else {
        throw .badRequest("'Weir-Producer-Sequence' is '\(text)' and must be a whole number from 0")
      }
      guard 1...128 ~= id.utf8.count else {
        throw .badRequest("'Weir-Producer-Id' must have 1 to 128 bytes")
      }
      return ProducerStamp(id: id, sequence: sequence)
    default:
      throw .badRequest("'Weir-Producer-Id' and 'Weir-Producer-Sequence' must come together")
    }
  }

  /// `earliest`, `latest` or `0:17,1:4`.
  static func start(_ text: String) throws(RESTError) -> StreamStart {
    switch text {
    case "earliest": return .earliest
    case "latest": return .latest
    default:
      var offsets: [Int: Int64] = [:]
      // What a position of changes says behind @ is of no matter here.
      for part in text.prefix(while: { $0 != "@" }).split(separator: ",") {
        let pair = part.split(separator: ":")
        guard pair.count == 2, let shard = Int(pair[0]), let offset = Int64(pair[1]), shard >= 0,
          offset >= 0, offsets.updateValue(offset, forKey: shard) == nil
        else {
          throw .badRequest(
            "'\(text)' is no position; write earliest, latest or SHARD:OFFSET,… like 0:17,1:4")
        }
      }
      guard !offsets.isEmpty else { throw .badRequest("the position is empty") }
      return .offsets(offsets)
    }
  }

  /// `earliest`, `latest`, `snapshot:8123`, `0:17,1:4` or `0:17,1:4@8123`.
  static func point(_ text: String) throws(RESTError) -> StreamPoint {
    if text == "earliest" { return .earliest }
    if text == "latest" { return .latest }
    if text.hasPrefix("snapshot:") {
      guard let id = Int64(text.dropFirst(9)) else {
        throw .badRequest("'\(text)' names no snapshot; write snapshot:ID")
      }
      return .snapshot(id)
    }
    guard case .offsets(let offsets) = try start(text) else { return .latest }
    guard let mark = text.firstIndex(of: "@") else { return .offsets(offsets) }
    guard let id = Int64(text[text.index(after: mark)...]), id >= 0,
      Set(offsets.keys) == Set(0..<offsets.count)
    else { throw .badRequest("'\(text)' is no position: take one that the service gave") }
    return .position(
      StreamPosition(
        snapshotID: id == 0 ? nil : id, offsets: (0..<offsets.count).map { offsets[$0] ?? 0 }))
  }

  /// A position as `start` reads it.
  static func text(_ position: [Int: Int64]) -> String {
    position.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ",")
  }
}
