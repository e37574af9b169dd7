// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import HummingbirdCore
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

extension StreamResponder {
  /// Takes rows out of everything that a stream has, and answers with the proof.
  func erase(
    _ message: RESTRequest, _ table: TableIdentifier, _ principal: Principal, _ request: Request,
    _ context: Context, _ record: inout AccessRecord
  ) async throws -> Response {
    _ = try StreamCall(message, known: [])
    let share = ByteShare(budget)
    let body = try await wholeBody(request, share, &record)
    let wanted = try EraseCall.request(table, body)
    // All streams that it may concern.
    if wanted.cascades {
      for other in service.tables { try principal.require(.write, in: other.namespace) }
    }
    let place = try readers.enter()
    let service = service
    let answer = try await run(context) { () throws(RESTError) -> RESTResponse in
      do throws(StreamError) {
        return RESTResponse(json: try service.erase(wanted).json.bytes)
      } catch {
        guard error.code == .conflict else { throw RESTError(error) }
        throw RESTError(409, "ConflictException", "\(error)")
      }
    }
    withExtendedLifetime((share, place)) {}
    return CatalogResponder.response(answer, isHead: false)
  }
}

/// What a request to erase rows says.
enum EraseCall {
  private static let known = [
    "where", "markers", "include_refs", "wait_ms", "orphan_age_ms", "dry_run", "cascade",
  ]
  private static let markerCountMax = 100

  static func request(
    _ table: TableIdentifier, _ body: [UInt8]
  ) throws(RESTError) -> StreamErasureRequest {
    let object: JSONObject
    do throws(JSONError) {
      object = try JSONValue(parsing: body).asObject()
    } catch { throw .badRequest("the body is no JSON object: \(error)") }
    for (name, _) in object where !known.contains(name) {
      let close = NameSuggestion.closest(to: name, known)
      throw .badRequest(
        "'\(name)' means nothing here" + (close.map { "; did you mean '\($0)'?" } ?? ""))
    }
    var options = ErasureOptions()
    let text: String
    let cascades: Bool
    do throws(JSONError) {
      text = try object.string("where")
      cascades = try object.optionalBool("cascade") ?? false
      if object["markers"] != nil {
        options.markers = try object.array("markers") { value throws(JSONError) in
          Array(try value.asString().utf8)
        }
      }
      options.includesReferences = try object.optionalBool("include_refs") ?? false
      options.isDryRun = try object.optionalBool("dry_run") ?? false
      if let wait = try object.optionalInt64("wait_ms") { options.waitMilliseconds = max(0, wait) }
      if let age = try object.optionalInt64("orphan_age_ms") {
        options.orphanAgeMilliseconds = max(0, age)
      }
    } catch { throw .badRequest("the body cannot be used: \(error)") }
    guard options.markers.count <= markerCountMax, !options.markers.contains([]) else {
      throw .badRequest("'markers' are at most \(markerCountMax) texts, none of them empty")
    }
    let condition: Predicate
    do throws(ColumnarError) { condition = try Predicate(parsing: text) } catch {
      throw .badRequest("'where' cannot be used: \(error)")
    }
    return StreamErasureRequest(table, where: condition, options: options, cascades: cascades)
  }
}
