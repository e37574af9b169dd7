// SPDX-License-Identifier: Apache-2.0

/// The resources of the serving API, by path.
enum ServingRoute: Hashable, Sendable {
  case recommend
  case events
  case replay
  case similar(String)
  case features(entity: String, key: String)

  /// Whether a path is one of these, right or wrong.
  static func owns(_ path: Substring) -> Bool {
    path == "/v1/recommend" || path == "/v1/events" || path == "/v1/replay"
      || path.hasPrefix("/v1/similar/")
      || path.hasPrefix("/v1/features/")
  }

  init(path: String) throws(RESTError) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2)
    var texts: [String] = []
    for part in parts {
      guard let text = percentDecoded(part) else { throw .badText(in: path) }
      texts.append(text)
    }
    switch (texts.first ?? "", texts.count) {
    case ("recommend", 1): self = .recommend
    case ("events", 1): self = .events
    case ("replay", 1): self = .replay
    case ("similar", 2): self = .similar(texts[1])
    case ("features", 3): self = .features(entity: texts[1], key: texts[2])
    default:
      throw RESTError(
        404, "NoSuchRouteException",
        "there is nothing at '\(path)'; docs/serving.md lists what there is")
    }
  }

  var methods: [String] {
    switch self {
    case .recommend, .events, .replay: ["POST"]
    case .similar, .features: ["GET", "HEAD"]
    }
  }

  /// The label in metrics.
  var name: String {
    switch self {
    case .recommend: "recommend"
    case .events: "events"
    case .replay: "replay"
    case .similar: "similar"
    case .features: "features"
    }
  }
}
