// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// The resources of the Iceberg REST catalog API, by path.
enum RESTRoute: Hashable, Sendable {
  case health
  case config
  case tokens
  case namespaces
  case namespace(Namespace)
  case namespaceProperties(Namespace)
  case tables(Namespace)
  case registerTable(Namespace)
  case table(TableIdentifier)
  case unregisterTable(TableIdentifier)
  case credentials(TableIdentifier)
  case sign(TableIdentifier)
  case metrics(TableIdentifier)
  case plans(TableIdentifier)
  case plan(TableIdentifier, id: String)
  case scanTasks(TableIdentifier)
  case renameTable
  case transaction
  case views(Namespace)
  case registerView(Namespace)
  case view(TableIdentifier)
  case renameView
  case functions(Namespace)
  case function(TableIdentifier)

  /// What may be done with the resource.
  var methods: [String] {
    switch self {
    case .health, .config, .credentials, .functions, .function: ["GET"]
    case .tokens, .namespaceProperties, .registerTable, .unregisterTable, .sign, .metrics, .plans,
      .scanTasks, .renameTable, .transaction, .registerView, .renameView:
      ["POST"]
    case .namespaces, .tables, .views: ["GET", "POST"]
    case .namespace: ["GET", "HEAD", "DELETE"]
    case .table, .view: ["GET", "HEAD", "POST", "DELETE"]
    case .plan: ["GET", "DELETE"]
    }
  }

  /// Whether the specification describes errors of this resource as a bare error model, as it does
  /// for views. Clients read the wrapped one; such answers carry both.
  var hasBareErrors: Bool {
    switch self {
    case .views, .view, .renameView: true
    default: false
    }
  }

  /// The namespace of a path that has one.
  var namespace: Namespace? {
    switch self {
    case .namespace(let namespace), .namespaceProperties(let namespace), .tables(let namespace),
      .registerTable(let namespace), .views(let namespace), .registerView(let namespace),
      .functions(let namespace):
      namespace
    case .table(let name), .unregisterTable(let name), .credentials(let name), .sign(let name),
      .metrics(let name), .plans(let name), .plan(let name, _), .scanTasks(let name),
      .view(let name), .function(let name):
      name.namespace
    case .health, .config, .tokens, .namespaces, .renameTable, .transaction, .renameView: nil
    }
  }
}

extension RESTRoute {
  /// Stands between the levels of a namespace in paths and queries.
  static let separator: Character = "\u{1F}"

  /// The resource that `path` names, for a server whose paths may have `prefix` behind `/v1`.
  init(path: String, prefix: String) throws(RESTError) {
    var parts = path.split(separator: "/", omittingEmptySubsequences: false)[...]
    guard parts.popFirst() == "" else { throw .noRoute(path) }
    // One slash at the end is forgiven, as the reference server does.
    if parts.count > 1 && parts.last == "" { parts.removeLast() }
    if parts == ["health"] {
      self = .health
      return
    }
    guard parts.popFirst() == "v1", let first = parts.first else { throw .noRoute(path) }
    switch first {
    case "config" where parts.count == 1:
      self = .config
      return
    case "oauth" where parts.count == 2 && parts.last == "tokens":
      self = .tokens
      return
    case "namespaces", "tables", "transactions", "views":
      // Without a prefix; a server's prefix is none of these words.
      break
    default:
      guard let named = percentDecoded(first) else { throw .badText(in: path) }
      guard parts.count > 1 else { throw .noRoute(path) }
      guard named == prefix else {
        throw RESTError(
          404, "NoSuchWarehouseException",
          "this server has no warehouse '\(named)'; it serves '\(prefix)'")
      }
      parts.removeFirst()
    }
    self = try Self.resource(parts, path: path)
  }

  private static func resource(
    _ parts: ArraySlice<Substring>, path: String
  ) throws(RESTError) -> RESTRoute {
    let words = Array(parts)
    switch (words[0], words.count) {
    case ("tables", 2) where words[1] == "rename": return .renameTable
    case ("views", 2) where words[1] == "rename": return .renameView
    case ("transactions", 2) where words[1] == "commit": return .transaction
    case ("namespaces", 1): return .namespaces
    case ("namespaces", 2): return .namespace(try namespace(encoded: words[1]))
    case ("namespaces", 3):
      let namespace = try namespace(encoded: words[1])
      switch words[2] {
      case "properties": return .namespaceProperties(namespace)
      case "tables": return .tables(namespace)
      case "register": return .registerTable(namespace)
      case "views": return .views(namespace)
      case "register-view": return .registerView(namespace)
      case "functions": return .functions(namespace)
      default: throw .noRoute(path)
      }
    case ("namespaces", 4...6):
      let namespace = try namespace(encoded: words[1])
      let name = try identifier(namespace, text(encoded: words[3]))
      switch (words[2], words.count) {
      case ("tables", _):
        return try table(name, words[4...], path: path)
      case ("views", 4): return .view(name)
      case ("functions", 4): return .function(name)
      default: throw .noRoute(path)
      }
    default: throw .noRoute(path)
    }
  }

  private static func table(
    _ table: TableIdentifier, _ words: ArraySlice<Substring>, path: String
  ) throws(RESTError) -> RESTRoute {
    switch (words.first, words.count) {
    case (nil, _): return .table(table)
    case ("unregister", 1): return .unregisterTable(table)
    case ("credentials", 1): return .credentials(table)
    case ("sign", 1): return .sign(table)
    case ("metrics", 1): return .metrics(table)
    case ("tasks", 1): return .scanTasks(table)
    case ("plan", 1): return .plans(table)
    case ("plan", 2): return .plan(table, id: try text(encoded: words.last ?? ""))
    default: throw .noRoute(path)
    }
  }

  /// The namespace of a query parameter, which was decoded once. Java's client encodes the levels of
  /// one before its parameters are encoded, so that an escaped separator is left; its levels are
  /// decoded once more.
  static func namespace(decoded text: String) throws(RESTError) -> Namespace {
    let escaped = text.split(separator: "%1F", omittingEmptySubsequences: false)
    guard escaped.count > 1 else {
      return try namespace(
        levels: text.split(separator: separator, omittingEmptySubsequences: false)
          .map(String.init))
    }
    var levels: [String] = []
    for level in escaped { levels.append(try self.text(encoded: level)) }
    return try namespace(levels: levels)
  }

  static func namespace(encoded text: Substring) throws(RESTError) -> Namespace {
    guard let decoded = percentDecoded(text) else { throw .badText(in: String(text)) }
    return try namespace(
      levels: decoded.split(separator: separator, omittingEmptySubsequences: false)
        .map(String.init))
  }

  /// Levels of a namespace from outside, checked.
  static func namespace(levels: [String]) throws(RESTError) -> Namespace {
    let namespace = Namespace(levels)
    do { try namespace.check() } catch { throw .badRequest("\(error)") }
    return namespace
  }

  /// A table or view from outside, checked.
  static func identifier(
    _ namespace: Namespace, _ name: String
  ) throws(RESTError) -> TableIdentifier {
    let identifier = TableIdentifier(namespace, name)
    do { try identifier.check() } catch { throw .badRequest("\(error)") }
    return identifier
  }

  private static func text(encoded text: Substring) throws(RESTError) -> String {
    guard let decoded = percentDecoded(text) else { throw .badText(in: String(text)) }
    return decoded
  }
}
