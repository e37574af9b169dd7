// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// The resources of the streams API, by path.
enum StreamRoute: Hashable, Sendable {
  case health
  case readiness
  case metrics
  case streams
  case pipelines
  case maintenance
  case stream(TableIdentifier)
  case lookup(TableIdentifier)
  case scan(TableIdentifier)
  case changes(TableIdentifier)
  case erase(TableIdentifier)

  /// Whether a path is one of these, right or wrong.
  static func owns(_ path: Substring) -> Bool {
    path == "/healthz" || path == "/readyz" || path == "/metrics" || path == "/v1/streams"
      || path == "/v1/pipelines" || path == "/v1/maintenance"
      || path.hasPrefix("/v1/streams/")
  }

  init(path: String) throws(RESTError) {
    switch path {
    case "/healthz": self = .health
    case "/readyz": self = .readiness
    case "/metrics": self = .metrics
    case "/v1/streams", "/v1/streams/": self = .streams
    case "/v1/pipelines": self = .pipelines
    case "/v1/maintenance": self = .maintenance
    default:
      var parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(3)
      if parts.count > 1 && parts.last == "" { parts.removeLast() }
      guard let first = parts.first, let name = percentDecoded(first) else {
        throw .badText(in: path)
      }
      let table: TableIdentifier
      do { table = try TableIdentifier(parsing: name) } catch {
        throw .badRequest("'\(name)' is no name of a stream: write namespace.table")
      }
      switch parts.dropFirst().joined(separator: "/") {
      case "": self = .stream(table)
      case "lookup": self = .lookup(table)
      case "scan": self = .scan(table)
      case "changes": self = .changes(table)
      case "erase": self = .erase(table)
      default:
        throw RESTError(
          404, "NoSuchRouteException",
          "there is nothing at '\(path)'; docs/streams-api.md lists what there is")
      }
    }
  }

  var methods: [String] {
    switch self {
    case .health, .readiness, .metrics, .streams, .pipelines, .maintenance, .scan, .changes:
      ["GET", "HEAD"]
    case .stream: ["GET", "HEAD", "POST"]
    case .lookup, .erase: ["POST"]
    }
  }

  /// The label in metrics.
  var name: String {
    switch self {
    case .health: "healthz"
    case .readiness: "readyz"
    case .metrics: "metrics"
    case .streams: "streams"
    case .pipelines: "pipelines"
    case .maintenance: "maintenance"
    case .stream: "stream"
    case .lookup: "lookup"
    case .scan: "scan"
    case .changes: "changes"
    case .erase: "erase"
    }
  }
}
