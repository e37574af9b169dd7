// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import WeirTable

@testable internal import WeirCatalogREST

/// Gives prepared answers in their order and keeps what was asked.
final class CannedServer: HTTPTransport {
  typealias Answer = Result<HTTPResponse, HTTPError>

  private struct State {
    var answers: [Answer]
    var requests: [HTTPRequest] = []
  }
  private let state: Mutex<State>

  init(_ answers: [Answer]) { state = Mutex(State(answers: answers)) }

  var requests: [HTTPRequest] { state.withLock { $0.requests } }
  /// `METHOD path?query` of each request.
  var lines: [String] { requests.map { "\($0.method) \($0.url.dropFirst("http://h".count))" } }

  func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
    let answer = state.withLock { state in
      state.requests.append(request)
      return state.answers.isEmpty ? nil : state.answers.removeFirst()
    }
    guard let answer else {
      throw HTTPError(.failed, "no answer is prepared", mayHaveArrived: false)
    }
    return try answer.get()
  }

  static func json(
    _ text: String, status: Int = 200, headers: [(String, String)] = []
  ) -> Answer {
    .success(
      HTTPResponse(
        status: status, headers: HTTPHeaders(headers), body: Buffer(Array(text.utf8))))
  }

  static func fault(
    _ status: Int, _ type: String = "", headers: [(String, String)] = []
  ) -> Answer {
    json(
      #"{"error":{"message":"because","type":"\#(type)","code":\#(status)}}"#, status: status,
      headers: headers)
  }

  static let lost = Answer.failure(
    HTTPError(.connectionBroken, "h: broken", mayHaveArrived: true))
  static let unseen = Answer.failure(
    HTTPError(.noConnection, "h: refused", mayHaveArrived: false))
  static let plainConfig = json(#"{"defaults":{},"overrides":{}}"#)
  static let idempotentConfig = json(
    #"{"defaults":{},"overrides":{},"idempotency-key-lifetime":"PT30M"}"#)
}

/// A clock that only sleeping moves.
final class CannedClock: Sendable {
  private let state = Mutex(
    (now: 1_700_000_000 * 1_000_000_000, pauses: [Int](), random: UInt64(7)))

  var pauses: [Int] { state.withLock { $0.pauses } }
  func advance(seconds: Int) { state.withLock { $0.now += seconds * 1_000_000_000 } }

  var clock: ClientClock {
    ClientClock(
      now: { self.state.withLock { $0.now } },
      sleep: { pause in
        self.state.withLock {
          $0.now += pause
          $0.pauses.append(pause)
        }
      },
      random: {
        self.state.withLock {
          $0.random = $0.random &* 6_364_136_223_846_793_005 &+ 1
          return $0.random
        }
      })
  }
}

/// The code of the `TableError` that `body` throws, `nil` when it throws none.
func errorCode<T>(_ body: () throws -> T) -> TableError.Code? {
  do {
    _ = try body()
    return nil
  } catch let error as TableError {
    return error.code
  } catch {
    return TableError.Code.catalog
  }
}

/// Metadata of a small table, as a server sends it.
func tableJSON(_ location: String = "memory://m/t", snapshot: Int64? = nil) throws -> String {
  var metadata = try TableMetadata.new(
    schema: TableSchema([TableField(1, "a", .long)]),
    spec: .unpartitioned, sortOrder: .unsorted, location: location, properties: [:],
    uuid: "9c12d441-03fe-4693-9a96-a0705ddf69c1", now: 1)
  if let snapshot {
    metadata = try metadata.applying(
      [
        .addSnapshot(
          Snapshot(
            snapshotID: snapshot, sequenceNumber: 1, timestampMilliseconds: 2,
            manifestList: "\(location)/l.avro", summary: ["operation": "append"], schemaID: 0,
            firstRowID: 0, addedRows: 0))
      ], now: 2)
  }
  return metadata.json().text
}

func loadAnswer(
  _ metadataLocation: String?, etag: String? = nil, config: String = "{}", more: String = "",
  snapshot: Int64? = nil
) throws -> CannedServer.Answer {
  let location = metadataLocation.map { "\"\($0)\"" } ?? "null"
  return CannedServer.json(
    """
    {"metadata-location":\(location),"metadata":\(try tableJSON(snapshot: snapshot)),\
    "config":\(config)\(more)}
    """, headers: etag.map { [("ETag", $0)] } ?? [])
}

func memoryStores() throws(TableError) -> ObjectStores {
  do throws(StorageError) {
    return try ObjectStores()
  } catch {
    throw TableError(error, "the stores cannot be opened")
  }
}
