// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirTable

extension Connection {
  /// A table of the catalog.
  ///
  /// - Throws: `notFound` for a table that is not there, saying which one may have been meant.
  public func table(_ identifier: TableIdentifier) throws(TableError) -> Table {
    do throws(TableError) {
      return try catalog.table(identifier)
    } catch {
      guard error.code == .notFound, let close = similar(to: identifier) else { throw error }
      var error = error
      error.message += "; did you mean \(close)?"
      throw error
    }
  }

  /// A table of a similar name, looked for in the first pages of what the catalog lists.
  private func similar(to identifier: TableIdentifier) -> TableIdentifier? {
    func closest(_ namespace: Namespace) -> TableIdentifier? {
      guard let tables = try? catalog.listTables(in: namespace, page: .first).items else {
        return nil
      }
      let name = NameSuggestion.closest(to: identifier.name, tables.map(\.name))
      return tables.first { $0.name == name }
    }
    if let found = closest(identifier.namespace) { return found }
    guard let namespaces = try? catalog.listNamespaces(in: nil, page: .first).items else {
      return nil
    }
    let wanted = identifier.namespace.description
    let name = NameSuggestion.closest(to: wanted, namespaces.map(\.description))
    guard let namespace = namespaces.first(where: { $0.description == name }) else { return nil }
    return closest(namespace)
  }
}
