// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The members of a JSON object, in order, each name once.
///
/// Looking a name up costs a few comparisons in small objects and a hash in larger ones. Objects that
/// a parser read with the same names in the same order share those names.
public struct JSONObject: Sendable {
  /// The names of one shape of object. Never changed once a second object refers to it.
  final class Names: @unchecked Sendable {
    // Private, behind a read-only view: the compiler then leaves out checks of exclusive access.
    private var names: [String]
    /// Position of each name, kept from `indexedCountMin` names on.
    private var positions: [String: Int]?

    private static let indexedCountMin = 9

    var list: [String] { names }

    /// `list` holds no name twice.
    init(_ list: [String]) {
      names = list
      indexWhenLarge()
    }

    private func indexWhenLarge() {
      guard positions == nil, names.count >= Self.indexedCountMin else { return }
      var positions: [String: Int] = [:]
      positions.reserveCapacity(names.count)
      for (index, name) in names.enumerated() { positions[name] = index }
      self.positions = positions
    }

    func position(of name: String) -> Int? {
      if let positions { return positions[name] }
      for index in names.indices where names[index] == name { return index }
      return nil
    }

    func append(_ name: String) {
      positions?[name] = names.count
      names.append(name)
      indexWhenLarge()
    }

    static let none = Names([])
  }

  private var names: Names
  private var members: [JSONValue]

  public init() {
    names = .none
    members = []
  }

  /// The last value of a name that comes twice counts.
  public init(_ pairs: some Sequence<(String, JSONValue)>) {
    self.init()
    for (name, value) in pairs { self[name] = value }
  }

  init(names: Names, values: [JSONValue]) {
    self.names = names
    self.members = values
  }

  public var count: Int { members.count }
  public var isEmpty: Bool { members.isEmpty }
  /// The names, in order.
  public var keys: [String] { names.list }
  /// The values, in the order of the names.
  public var values: [JSONValue] { members }

  /// The member called `name`. Setting `nil` takes it out; a new name goes to the end.
  public subscript(name: String) -> JSONValue? {
    get { names.position(of: name).map { members[$0] } }
    set {
      switch (names.position(of: name), newValue) {
      case (let position?, let value?): members[position] = value
      case (let position?, nil):
        var list = names.list
        list.remove(at: position)
        names = Names(list)
        members.remove(at: position)
      case (nil, let value?):
        if !isKnownUniquelyReferenced(&names) { names = Names(names.list) }
        names.append(name)
        members.append(value)
      case (nil, nil): break
      }
    }
  }

  /// Names that a reader knows.
  public final class Known: Sendable, ExpressibleByArrayLiteral {
    private let names: Set<String>
    /// The last shape asked about, and whether it had other names: objects of one kind mostly have
    /// one shape.
    private let last = Mutex<(names: Names, hasOthers: Bool)?>(nil)

    public init(_ names: Set<String>) { self.names = names }

    public convenience init(arrayLiteral elements: String...) { self.init(Set(elements)) }

    public func contains(_ name: String) -> Bool { names.contains(name) }

    fileprivate func misses(_ asked: Names) -> Bool {
      let known = last.withLock { last in last?.names === asked ? last?.hasOthers : nil }
      if let known { return known }
      let hasOthers = asked.list.contains { !names.contains($0) }
      if asked.list.count <= 64 { last.withLock { $0 = (asked, hasOthers) } }
      return hasOthers
    }
  }

  /// The members whose names are not in `known`: what a reader must keep without knowing it.
  public func members(besides known: Known) -> JSONObject {
    guard known.misses(names) else { return JSONObject() }
    return JSONObject(self.lazy.filter { !known.contains($0.0) })
  }

  /// Sets every member of `other`.
  public mutating func merge(_ other: JSONObject) {
    for (name, value) in other { self[name] = value }
  }

  /// Sets `name` unless the value is `nil`.
  public mutating func set(_ name: String, _ value: JSONValue?) {
    if let value { self[name] = value }
  }
}

extension JSONObject: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { members.count }
  public subscript(position: Int) -> (String, JSONValue) {
    (names.list[position], members[position])
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}

extension JSONObject: Hashable {
  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    guard a.count == b.count else { return false }
    if a.names === b.names { return a.members == b.members }
    return a.allSatisfy { b[$0.0] == $0.1 }
  }

  public func hash(into hasher: inout Hasher) {
    var sum = 0
    for (name, value) in self {
      var own = Hasher()
      own.combine(name)
      own.combine(value)
      sum &+= own.finalize()
    }
    hasher.combine(sum)
  }
}

// Members of a certain type. A member that is null counts as not there. Errors name the member.
extension JSONObject {
  private func member<T>(
    _ name: String, _ convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> T {
    guard let value = self[name], !value.isNull else {
      throw JSONError(.missing, "has no '\(name)', which is required")
    }
    do { return try convert(value) } catch { throw error.inside(name) }
  }

  private func optionalMember<T>(
    _ name: String, _ convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> T? {
    guard let value = self[name], !value.isNull else { return nil }
    do { return try convert(value) } catch { throw error.inside(name) }
  }

  /// The member by a conversion of the caller's.
  public func required<T>(
    _ name: String, _ convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> T {
    try member(name, convert)
  }

  /// The member by a conversion of the caller's, or `nil`.
  public func optional<T>(
    _ name: String, _ convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> T? {
    try optionalMember(name, convert)
  }

  public func string(_ name: String) throws(JSONError) -> String {
    try member(name) { value throws(JSONError) in try value.asString() }
  }

  public func bool(_ name: String) throws(JSONError) -> Bool {
    try member(name) { value throws(JSONError) in try value.asBool() }
  }

  public func int(_ name: String) throws(JSONError) -> Int {
    try member(name) { value throws(JSONError) in try value.asInt() }
  }

  public func int32(_ name: String) throws(JSONError) -> Int32 {
    try member(name) { value throws(JSONError) in try value.asInt32() }
  }

  public func int64(_ name: String) throws(JSONError) -> Int64 {
    try member(name) { value throws(JSONError) in try value.asInt64() }
  }

  public func object(_ name: String) throws(JSONError) -> JSONObject {
    try member(name) { value throws(JSONError) in try value.asObject() }
  }

  public func array(_ name: String) throws(JSONError) -> [JSONValue] {
    try member(name) { value throws(JSONError) in try value.asArray() }
  }

  /// Every element of an array by `convert`.
  public func array<T>(
    _ name: String, of convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> [T] {
    try member(name) { value throws(JSONError) in try value.asArray(of: convert) }
  }

  public func optionalString(_ name: String) throws(JSONError) -> String? {
    try optionalMember(name) { value throws(JSONError) in try value.asString() }
  }

  public func optionalBool(_ name: String) throws(JSONError) -> Bool? {
    try optionalMember(name) { value throws(JSONError) in try value.asBool() }
  }

  public func optionalInt(_ name: String) throws(JSONError) -> Int? {
    try optionalMember(name) { value throws(JSONError) in try value.asInt() }
  }

  public func optionalInt32(_ name: String) throws(JSONError) -> Int32? {
    try optionalMember(name) { value throws(JSONError) in try value.asInt32() }
  }

  public func optionalInt64(_ name: String) throws(JSONError) -> Int64? {
    try optionalMember(name) { value throws(JSONError) in try value.asInt64() }
  }

  public func optionalObject(_ name: String) throws(JSONError) -> JSONObject? {
    try optionalMember(name) { value throws(JSONError) in try value.asObject() }
  }

  public func optionalArray(_ name: String) throws(JSONError) -> [JSONValue]? {
    try optionalMember(name) { value throws(JSONError) in try value.asArray() }
  }

  /// Every element of an array by `convert`, or `nil` when there is no such array.
  public func optionalArray<T>(
    _ name: String, of convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> [T]? {
    try optionalMember(name) { value throws(JSONError) in try value.asArray(of: convert) }
  }
}
