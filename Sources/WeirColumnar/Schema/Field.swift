// SPDX-License-Identifier: Apache-2.0

/// Ordered key-value pairs on a schema or a field; keys need not be unique.
public struct Metadata: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// One key with its value.
  public struct Entry: Hashable, Sendable {
    public var key: String
    public var value: String
    public init(key: String, value: String) {
      self.key = key
      self.value = value
    }
  }

  public var entries: [Entry]

  public init(_ entries: [Entry] = []) { self.entries = entries }

  public init(dictionaryLiteral elements: (String, String)...) {
    entries = elements.map { Entry(key: $0.0, value: $0.1) }
  }

  public var isEmpty: Bool { entries.isEmpty }

  /// The first value of `key`; setting replaces the first and removes with `nil`.
  public subscript(key: String) -> String? {
    get { entries.first { $0.key == key }?.value }
    set {
      let index = entries.firstIndex { $0.key == key }
      switch (index, newValue) {
      case (let index?, let value?): entries[index].value = value
      case (let index?, nil): entries.remove(at: index)
      case (nil, let value?): entries.append(Entry(key: key, value: value))
      case (nil, nil): break
      }
    }
  }
}

/// A named, typed column of a schema or of a nested type.
public struct Field: Hashable, Sendable, CustomStringConvertible {
  public var name: String
  public var type: DataType
  public var nullable: Bool
  /// The stable number of the column in a table's schema (Iceberg, Parquet `field_id`).
  public var id: Int32?
  public var metadata: Metadata

  public init(
    _ name: String, _ type: DataType, nullable: Bool = true, id: Int32? = nil,
    metadata: Metadata = Metadata()
  ) {
    self.name = name
    self.type = type
    self.nullable = nullable
    self.id = id
    self.metadata = metadata
  }

  public var description: String { "\(name): \(type)\(nullable ? "" : " not null")" }
}

/// The columns of a batch, in order, with metadata.
public struct Schema: Hashable, Sendable, CustomStringConvertible {
  public var fields: [Field]
  public var metadata: Metadata

  public init(_ fields: [Field], metadata: Metadata = Metadata()) {
    self.fields = fields
    self.metadata = metadata
  }

  /// Position of the first field called `name`.
  public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }

  public subscript(name: String) -> Field? { index(of: name).map { fields[$0] } }

  public var description: String { fields.map(\.description).joined(separator: "\n") }
}
