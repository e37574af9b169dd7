// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirServing
internal import WeirStreaming

/// What a request for a list says.
struct RecommendCall: Sendable {
  let surface: Surface
  let request: RecommendRequest

  private static let names = ["surface", "user", "context", "count", "explain", "exclude"]
  private static let excludeCountMax = 10_000

  /// `{"surface": "home", "user": 7, "count": 20, "explain": true, "exclude": [1, 2]}`.
  init(_ body: [UInt8], _ serving: Serving) throws(RESTError) {
    let object: JSONObject
    do throws(JSONError) {
      object = try JSONParser().parse(body).asObject()
      for name in object.keys where !Self.names.contains(name) {
        let close = NameSuggestion.closest(to: name, Self.names)
        throw JSONError(
          .invalidValue,
          "has '\(name)', which means nothing here"
            + (close.map { "; did you mean '\($0)'?" } ?? ""))
      }
    } catch { throw .badRequest("the body is no request for a list: \(error)") }
    do {
      let name = try object.optionalString("surface")
      do throws(StreamError) { surface = try serving.surface(name) } catch {
        throw RESTError(error)
      }
      let (user, item) = (surface.userKeyType, surface.itemKeyType)
      guard let value = object["user"], !value.isNull else {
        throw RESTError.badRequest("the request names no user")
      }
      var request = RecommendRequest(user: try Self.id(value, user, "user"))
      request.count = try object.optionalInt("count")
      request.explain = try object.optionalBool("explain") ?? false
      _ = try object.optionalObject("context")
      let exclude = try object.optionalArray("exclude") ?? []
      guard exclude.count <= Self.excludeCountMax else {
        throw RESTError.tooLarge(
          "'exclude' has \(exclude.count) items; at most \(Self.excludeCountMax) can be left out")
      }
      for value in exclude { request.exclude.append(try Self.id(value, item, "exclude")) }
      self.request = request
    } catch let error as RESTError {
      throw error
    } catch {
      throw .badRequest("the request for a list cannot be used: \(error)")
    }
  }

  private static func id(
    _ value: JSONValue, _ type: DataType, _ name: String
  ) throws(RESTError) -> EntityID {
    switch (value, type) {
    case (.int(let number), .int64): return .int(number)
    case (.int(let number), .int32) where Int32(exactly: number) != nil: return .int(number)
    case (.string(let text), .utf8) where text.utf8.count <= 1_024: return .text(text)
    default:
      let wanted = type == .utf8 ? "a text of at most 1024 bytes" : "a whole number (\(type))"
      throw .badRequest("'\(name)' must be \(wanted), is \(value.text.prefix(80))")
    }
  }

  /// A key that stands in a path.
  static func id(_ text: String, _ type: DataType) throws(RESTError) -> EntityID {
    if type == .utf8 { return .text(text) }
    guard let number = Int64(text), type == .int64 || Int32(exactly: number) != nil else {
      throw .badRequest("'\(text.prefix(80))' is no key: keys here are whole numbers (\(type))")
    }
    return .int(number)
  }
}

/// Writes answers.
enum RecommendAnswer {
  static func json(_ answer: Recommendation, explain: Bool) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.pair("request_id", answer.requestID)
      writer.pair("surface", answer.surface)
      writer.key("items")
      writer.array(answer.items) { writer, item in
        write(item, answer, explain, &writer)
      }
      writer.pair("model_version", answer.modelVersion.map(Int.init))
      writer.key("fallbacks")
      writer.array(answer.fallbacks) { $0.write($1) }
      writer.key("timing")
      writer.object { writer in
        var total: Int64 = 0
        for (stage, microseconds) in answer.timing {
          writer.pair("\(stage)_us", Int(microseconds))
          total += microseconds
        }
        writer.pair("total_us", Int(total))
      }
      if explain, let features = answer.userFeatures {
        writer.key("user_features")
        writer.writeRaw(row(features, 0))
      }
    }
    return writer.finish()
  }

  private static func write(
    _ item: Recommendation.Item, _ answer: Recommendation, _ explain: Bool,
    _ writer: inout JSONWriter
  ) {
    writer.object { writer in
      writer.key("item")
      write(item.item, &writer)
      writer.key("score")
      writer.write(item.score)
      writer.pair("source", item.source)
      guard explain else { return }
      writer.pair("reason", item.reason)
      writer.key("propensity")
      writer.write(item.propensity)
      writer.key("places")
      writer.array(item.places) { writer, place in
        writer.object { writer in
          writer.pair("source", place.source)
          writer.pair("place", place.place)
          writer.key("score")
          writer.write(place.score)
        }
      }
      if let features = answer.itemFeatures {
        writer.key("features")
        writer.writeRaw(row(features, item.row))
      }
    }
  }

  static func write(_ id: EntityID, _ writer: inout JSONWriter) {
    switch id {
    case .int(let value): writer.write(value)
    case .text(let value): writer.write(value)
    }
  }

  /// One row as an object.
  static func row(_ batch: RecordBatch, _ row: Int) -> String {
    var bytes: [UInt8] = []
    JSONLinesWriter().append(batch, rows: row..<row + 1, to: &bytes)
    return String(decoding: bytes.dropLast(), as: UTF8.self)
  }
}
