// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirPipelines
public import WeirStreaming

/// The list of one item.
public struct SimilarItems: Sendable {
  public struct Item: Sendable {
    public var item: EntityID
    public var score: Double
    public var reason: String?
  }

  public var item: EntityID
  /// The name of the surface's source.
  public var source: String
  /// Whether the table has a list of it.
  public var isKnown: Bool
  public var items: [Item]
}

/// The features of one user or item, now.
public struct EntityFeatures: Sendable {
  public var id: EntityID
  /// Whether any table has a row of it.
  public var isKnown: Bool
  /// Microseconds since 1970.
  public var time: Int64
  /// One row.
  public var features: RecordBatch
}

// Single parts of what a surface does, for pages of their own and for whoever looks for the cause.
extension Surface {
  public var userKeyType: DataType { shape.view.user.key.type }
  public var itemKeyType: DataType { shape.view.item.key.type }

  /// What a source says of an item alone.
  ///
  /// - Parameter source: one with seeds; the first of those when `nil`.
  /// - Throws: `notFound` when there is no such source.
  public func similar(
    to item: EntityID, source: String?, count: Int
  ) throws(StreamError) -> SimilarItems {
    let places = definition.sources.indices.filter { place in
      definition.sources[place].seeds != nil && lists[place] != nil
        && (source == nil || definition.sources[place].name == source)
    }
    guard let place = places.first, let cache = lists[place] else {
      let names = definition.sources.filter { $0.seeds != nil }.map { "'\($0.name)'" }
      throw StreamError(
        .notFound,
        "the surface '\(definition.name)' has no source"
          + (source.map { " '\($0)'" } ?? "") + " with lists of items"
          + (names.isEmpty ? "" : "; there are \(names.joined(separator: ", "))"))
    }
    cache.refresh()
    let list = try cache.values(of: [item])[0]
    var result = SimilarItems(
      item: item, source: definition.sources[place].name, isKnown: list != nil, items: [])
    guard let list else { return result }
    for place in list.items.indices.prefix(count) {
      result.items.append(
        .init(
          item: list.items[place], score: list.scores[place], reason: list.reason(place)))
    }
    return result
  }

  /// The features that a user or an item has now.
  public func entityFeatures(_ isUser: Bool, _ id: EntityID) throws(StreamError) -> EntityFeatures {
    let time = clock.now()
    let type = isUser ? userKeyType : itemKeyType
    let rows = try features.features(
      isUser ? .user : .item, of: EntityID.column([id], type), at: time)
    return EntityFeatures(
      id: id, isKnown: rows.isKnown.first == true, time: time, features: rows.columns)
  }

  /// Tells whoever runs the service of a failure that an answer stood back from.
  public func tell(_ code: String, _ error: StreamError) {
    onFailure("\(definition.name).\(code)", error)
  }
}
