// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirServing
internal import WeirStreaming

/// What a request for replays says: `{"request_ids": ["…"]}`, or `{"last": 100, "surface": "home"}` for
/// the names of the last ones.
struct ReplayCall: Sendable {
  private let requestIDs: [String]?
  private let last: Int
  private let surface: String?

  init(_ body: [UInt8]) throws(RESTError) {
    do throws(JSONError) {
      let object = try JSONParser().parse(body).asObject()
      for name in object.keys where !["request_ids", "last", "surface"].contains(name) {
        throw JSONError(.invalidValue, "has '\(name)', which means nothing here")
      }
      requestIDs = try object.optionalArray("request_ids") { name throws(JSONError) in
        try name.asString()
      }
      last = try object.optionalInt("last") ?? 0
      surface = try object.optionalString("surface")
      guard (requestIDs == nil) == (object["last"] != nil), (0...1_000_000).contains(last) else {
        throw JSONError(.invalidValue, "must have either 'request_ids', or 'last' up to 1000000")
      }
    } catch { throw .badRequest("the body asks for no replay: \(error)") }
  }

  func answer(_ serving: Serving) throws(RESTError) -> RESTResponse {
    do throws(StreamError) {
      guard let requestIDs else {
        let names = try serving.lastRequests(last, surface: surface)
        let json: JSONObject = ["request_ids": .array(names.map { .string($0) })]
        return RESTResponse(json: JSONValue.object(json).bytes)
      }
      let replays = try serving.replay(requestIDs).map { report -> JSONValue in
        [
          "request_id": .string(report.requestID), "surface": .string(report.surface),
          "values": .int(report.valueCount), "taken": .int(report.takenCount),
          "mismatch": .int(report.mismatchCount),
          "first_difference": .optional(report.firstDifference),
        ]
      }
      let json: JSONObject = ["replays": .array(replays)]
      return RESTResponse(json: JSONValue.object(json).bytes)
    } catch { throw RESTError(error) }
  }
}
