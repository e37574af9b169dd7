// SPDX-License-Identifier: Apache-2.0

public import WeirTable

extension SQLCatalogBackend {
  public func createNamespace(
    _ namespace: Namespace, properties: [String: String]
  ) throws(TableError) {
    let encoded = try NameCoding.encode(namespace)
    let parent = try namespace.parent.map { (parent) throws(TableError) in
      (parent, try NameCoding.encode(parent))
    }
    let rows = try encodedProperties(properties)
    try database.transaction { session throws(SQLFailure) in
      try self.lockNamespaces(session)
      if try self.hasNamespace(encoded, session) { throw SQLFailure(.namespaceExists(namespace)) }
      if let parent, try !self.hasNamespace(parent.1, session) {
        throw SQLFailure(.noNamespace(parent.0))
      }
      try self.addMarker(encoded, session)
      for (key, value) in rows {
        try self.setProperty(key, value, of: encoded, session)
      }
    }
  }

  public func namespaceProperties(
    _ namespace: Namespace
  ) throws(TableError) -> [String: String]? {
    let rows = try database.read(
      statements.properties, namespaceParameters(try NameCoding.encode(namespace)))
    guard !rows.isEmpty else { return nil }
    var properties: [String: String] = [:]
    for row in 0..<rows.count {
      guard let key = rows.text(row, 0).flatMap({ NameCoding.decode(propertyKey: $0) }) else {
        continue
      }
      properties[key] = rows.text(row, 1)
    }
    return properties
  }

  public func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    let encoded = try NameCoding.encode(namespace)
    let rows = try encodedProperties(updates)
    var removed: [(String, String)] = []
    for key in removals { removed.append((key, try NameCoding.encode(propertyKey: key))) }
    return try database.transaction { session throws(SQLFailure) in
      try self.lockNamespaces(session)
      guard try self.hasNamespace(encoded, session) else {
        throw SQLFailure(.noNamespace(namespace))
      }
      var changes = NamespacePropertyChanges(
        updated: updates.keys.sorted(), removed: [], missing: [])
      // Its last property may go, the namespace stays.
      try self.addMarker(encoded, session)
      for (name, key) in removed {
        let result = try session.execute(
          self.statements.removeProperty, [.text(self.catalogName), .text(encoded), .text(key)])
        if result.changedCount > 0 {
          changes.removed.append(name)
        } else {
          changes.missing.append(name)
        }
      }
      for (key, value) in rows {
        try self.setProperty(key, value, of: encoded, session)
      }
      return changes
    }
  }

  public func dropNamespace(_ namespace: Namespace) throws(TableError) {
    let encoded = try NameCoding.encode(namespace)
    try database.transaction { session throws(SQLFailure) in
      try self.lockNamespaces(session)
      guard try self.hasNamespace(encoded, session) else {
        throw SQLFailure(.noNamespace(namespace))
      }
      let held = try session.execute(
        self.statements.namespaceHolds, self.namespaceParameters(encoded))
      guard held.isEmpty else { throw SQLFailure(.namespaceNotEmpty(namespace)) }
      _ = try session.execute(
        self.statements.removeNamespace, [.text(self.catalogName), .text(encoded)])
    }
  }

  public func listNamespaces(
    in parent: Namespace?, after: String?, limit: Int
  ) throws(TableError) -> [Namespace] {
    let encoded = try parent.map { (parent) throws(TableError) in
      try NameCoding.encode(parent)
    }
    let prefix = parent.map { $0.levels.joined(separator: ".") + "." } ?? ""
    let rows = try database.read(
      statements.namespaceNames,
      [
        .text(catalogName), .text(encoded.map { $0 + "." } ?? ""), .text(prefix + (after ?? "")),
        .int(Int64(max(0, limit))),
      ])
    // A namespace seen after an empty list was there without others in it at some moment in between.
    if rows.isEmpty, let parent, let encoded, try !hasNamespace(encoded) {
      throw .noNamespace(parent)
    }
    return (0..<rows.count).map { row in
      let bytes = (rows.text(row, 0) ?? "").utf8.dropFirst(prefix.utf8.count)
      let name = String(decoding: Array(bytes), as: UTF8.self)
      return parent?.child(name) ?? Namespace([name])
    }
  }

  // MARK: - Parts

  func hasNamespace(_ encoded: String) throws(TableError) -> Bool {
    try !database.read(statements.hasNamespace, namespaceParameters(encoded)).isEmpty
  }

  func hasNamespace(_ encoded: String, _ session: any SQLSession) throws(SQLFailure) -> Bool {
    try !session.execute(statements.hasNamespace, namespaceParameters(encoded)).isEmpty
  }

  private func namespaceParameters(_ encoded: String) -> [SQLValue] {
    [.text(catalogName), .text(encoded), .text(encoded + "."), .text(encoded + "/")]
  }

  private func encodedProperties(
    _ properties: [String: String]
  ) throws(TableError) -> [(String, String)] {
    var rows: [(String, String)] = []
    for (key, value) in properties {
      rows.append((try NameCoding.encode(propertyKey: key), value))
    }
    return rows
  }

  private func lockNamespaces(_ session: any SQLSession) throws(SQLFailure) {
    guard let lock = dialect.lockNamespaces else { return }
    _ = try session.execute(lock, [.text(catalogName)])
  }

  private func addMarker(_ encoded: String, _ session: any SQLSession) throws(SQLFailure) {
    _ = try session.execute(
      statements.addMarker,
      [
        .text(catalogName), .text(encoded), .text(NameCoding.markerKey),
        .text(NameCoding.markerValue),
      ])
  }

  private func setProperty(
    _ key: String, _ value: String, of encoded: String, _ session: any SQLSession
  ) throws(SQLFailure) {
    _ = try session.execute(
      statements.setProperty, [.text(catalogName), .text(encoded), .text(key), .text(value)])
  }
}
