// SPDX-License-Identifier: Apache-2.0

/// Where a server listens, and what requests may cost.
public struct CatalogServerConfiguration: Sendable {
  /// The name or number of the interface to listen on.
  public var host = "127.0.0.1"
  /// 0 chooses a free one.
  public var port = 8181
  /// What may stand behind `/v1` in paths, and the name of the warehouse that clients may ask for.
  public var warehouseName = "weir"
  /// Where new tables go; clients that ask for a warehouse by its location mean this.
  public var warehouseLocation: String

  /// The format of tables whose maker names none in the property `format-version`: 2, because clients
  /// that know no newer one do not say so.
  public var formatVersionDefault = 2

  /// The most bytes of a request's body.
  public var requestByteCountMax = 32 << 20
  /// The most bytes of bodies of all requests that have not been answered; more are refused.
  public var requestByteCountTotalMax = 256 << 20
  /// The most bytes of a request's head.
  public var headerByteCountMax = 32 << 10
  /// Seconds in which a request must have arrived.
  public var requestReadSecondsMax = 60
  /// Seconds that a connection without a request may stay.
  public var idleSecondsMax = 75
  /// Seconds from the arrival of a request to its answer.
  public var responseSecondsMax = 120
  /// The most connections; for one more, that closes which has waited longest for its client.
  public var connectionCountMax = 1_024
  /// Threads that work on requests, and so the most of them that run at once.
  public var workerCount = 8
  /// The most requests that wait for a thread.
  public var waitingCountMax = 256
  /// The most names on a page of a list.
  public var pageSizeMax = 10_000
  /// Seconds for which the answer to a request with an idempotency key is kept.
  public var idempotencySeconds = 30 * 60
  /// The most bytes of metrics reports that are kept for whoever runs the server.
  public var reportByteCountMax = 1 << 20

  public init(warehouseLocation: String) { self.warehouseLocation = warehouseLocation }

  /// Whether a warehouse may have this name: it stands in paths as it is, and none of their words.
  public static func isUsable(warehouseName: String) -> Bool {
    let words = ["config", "oauth", "namespaces", "tables", "transactions", "views", "streams"]
    return !warehouseName.isEmpty && warehouseName.utf8.count <= 64
      && !words.contains(warehouseName)
      && warehouseName.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
