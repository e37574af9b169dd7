// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension AvroType {
  /// Reads a schema. Types may be referred to by name after they were declared; a type within itself
  /// is refused, as no Iceberg file has one.
  convenience init(schema text: [UInt8]) throws(TableError) {
    do throws(JSONError) {
      let json = try JSONParser(limits: .init(depthMax: 64)).parse(text)
      var parser = AvroSchemaParser()
      let type = try parser.type(json, namespace: "")
      guard type.weight <= AvroType.weightMax else {
        throw JSONError(.limit, "holds more than \(AvroType.weightMax) types")
      }
      self.init(copying: type)
    } catch {
      throw TableError(
        error.code == .unsupported ? .unsupported : .damaged, "the Avro schema cannot be read",
        cause: "\(error)")
    }
  }

  private convenience init(copying type: AvroType) {
    self.init(
      type.kind, name: type.name, logicalType: type.logicalType, precision: type.precision,
      scale: type.scale)
  }
}

private struct AvroSchemaParser {
  /// Types by their full name.
  private var named: [String: AvroType] = [:]
  /// Names of the records that are being read.
  private var open: Set<String> = []

  private static let fixedByteCountMax = 1 << 24

  mutating func type(_ json: JSONValue, namespace: String) throws(JSONError) -> AvroType {
    switch json {
    case .string(let name): return try reference(name, namespace)
    case .array(let items):
      var branches: [AvroType] = []
      for (index, item) in items.enumerated() {
        do { branches.append(try type(item, namespace: namespace)) } catch {
          throw error.inside(index)
        }
      }
      guard !branches.isEmpty else { throw JSONError(.invalidValue, "is a union without branches") }
      return AvroType(.union(branches))
    case .object(let object): return try declaration(object, namespace)
    default: throw JSONError(.wrongType, "must be a type, is \(json.kind)")
    }
  }

  private func primitive(_ name: String) -> AvroType.Kind? {
    switch name {
    case "null": .null
    case "boolean": .boolean
    case "int": .int
    case "long": .long
    case "float": .float
    case "double": .double
    case "bytes": .bytes
    case "string": .string
    default: nil
    }
  }

  private func reference(_ name: String, _ namespace: String) throws(JSONError) -> AvroType {
    if let kind = primitive(name) { return AvroType(kind) }
    let full = fullName(name, namespace)
    if let type = named[full] ?? named[name] { return type }
    if open.contains(full) {
      throw JSONError(.unsupported, "the type '\(name)' holds itself, which is not supported")
    }
    throw JSONError(.invalidValue, "names a type '\(name)' that was not declared")
  }

  private func fullName(_ name: String, _ namespace: String) -> String {
    name.contains(".") || namespace.isEmpty ? name : namespace + "." + name
  }

  private mutating func declaration(
    _ object: JSONObject, _ namespace: String
  ) throws(JSONError) -> AvroType {
    guard case .string(let name)? = object["type"] else {
      guard let inner = object["type"] else { throw JSONError(.missing, "has no 'type'") }
      // {"type": {...}}: one type within another's clothes.
      do { return try type(inner, namespace: namespace) } catch { throw error.inside("type") }
    }
    switch name {
    case "record", "error": return try record(object, namespace)
    case "array":
      guard let items = object["items"] else { throw JSONError(.missing, "has no 'items'") }
      let item = try type(items, namespace: namespace)
      guard item.byteCountMin > 0 else {
        throw JSONError(.unsupported, "is an array of items that take no bytes")
      }
      return AvroType(.array(item), logicalType: logicalType(object))
    case "map":
      guard let values = object["values"] else { throw JSONError(.missing, "has no 'values'") }
      return AvroType(.map(try type(values, namespace: namespace)))
    case "enum":
      let symbols = try object.array("symbols") { value throws(JSONError) in try value.asString() }
      return declare(.enumeration(symbols), object, try ownName(object, namespace))
    case "fixed":
      let size = try object.int("size")
      guard size >= 0 && size <= Self.fixedByteCountMax else {
        throw JSONError(.invalidValue, "a fixed of \(size) bytes").inside("size")
      }
      return declare(.fixed(size), object, try ownName(object, namespace))
    default:
      guard let kind = primitive(name) else { return try reference(name, namespace) }
      return AvroType(
        kind, logicalType: logicalType(object), precision: int(object["precision"]),
        scale: int(object["scale"]))
    }
  }

  /// Attributes that this reader may leave unread are not worth an error.
  private func logicalType(_ object: JSONObject) -> String? {
    if case .string(let name)? = object["logicalType"] { name } else { nil }
  }

  private func int(_ value: JSONValue?) -> Int? {
    if case .int(let value)? = value { Int(value) } else { nil }
  }

  private func ownName(_ object: JSONObject, _ namespace: String) throws(JSONError) -> String {
    let own = try object.optionalString("namespace")
    return fullName(try object.string("name"), own ?? namespace)
  }

  private mutating func declare(
    _ kind: AvroType.Kind, _ object: JSONObject, _ name: String
  ) -> AvroType {
    let type = AvroType(
      kind, name: name, logicalType: logicalType(object), precision: int(object["precision"]),
      scale: int(object["scale"]))
    // Writers repeat declarations; the last one counts.
    named[name] = type
    return type
  }

  private mutating func record(
    _ object: JSONObject, _ namespace: String
  ) throws(JSONError) -> AvroType {
    let name = try ownName(object, namespace)
    let inner = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? ""
    guard open.insert(name).inserted else {
      throw JSONError(.unsupported, "the type '\(name)' holds itself, which is not supported")
    }
    defer { open.remove(name) }
    var fields: [AvroField] = []
    for (index, item) in try object.array("fields").enumerated() {
      do throws(JSONError) {
        let field = try item.asObject()
        guard let fieldType = field["type"] else { throw JSONError(.missing, "has no 'type'") }
        fields.append(
          AvroField(
            name: try field.string("name"), fieldID: try field.optionalInt32("field-id"),
            type: try type(fieldType, namespace: inner)))
      } catch {
        throw error.inside(index).inside("fields")
      }
    }
    let type = declare(.record(fields), object, name)
    guard type.weight <= AvroType.weightMax else {
      throw JSONError(.limit, "holds more than \(AvroType.weightMax) types")
    }
    return type
  }
}
