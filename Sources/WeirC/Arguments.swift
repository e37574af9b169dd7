// SPDX-License-Identifier: Apache-2.0
//
// Safe: the pointers are arguments that the caller of the C interface vouches for (weir.h); counts
// are checked here before anything is read through them.
internal import CWeir

/// Reads arguments of the C interface, with an error that names the one that is wrong.
enum Arguments {
  static func text(
    _ pointer: UnsafePointer<CChar>?, _ name: @autoclosure () -> String
  ) throws(CError) -> String {
    guard let pointer else { throw .invalidArgument("\(name()) is NULL") }
    guard let text = String(validatingCString: pointer) else {
      throw .invalidArgument("\(name()) is not UTF-8: \(String(cString: pointer))")
    }
    return text
  }

  static func path(_ pointer: UnsafePointer<CChar>?) throws(CError) -> String {
    let path = try text(pointer, "path")
    guard !path.isEmpty else { throw .invalidArgument("path is empty") }
    return path
  }

  /// Where a result goes.
  static func output<T>(
    _ pointer: UnsafeMutablePointer<T>?, _ name: StaticString
  ) throws(CError) -> UnsafeMutablePointer<T> {
    guard let pointer else { throw .invalidArgument("\(name) is NULL") }
    return pointer
  }

  static func count(_ count: Int64, _ name: StaticString) throws(CError) -> Int {
    guard count >= 0 else { throw .invalidArgument("\(name) is negative: \(count)") }
    guard count <= 1 << 24 else { throw .invalidArgument("\(name) is too large: \(count)") }
    return Int(count)
  }

  /// Column names; `nil` for NULL, which means all.
  static func columns(
    _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ nameCount: Int64
  ) throws(CError) -> [String]? {
    let count = try count(nameCount, "column_count")
    guard let names else {
      guard count == 0 else { throw .invalidArgument("columns is NULL, column_count \(count)") }
      return nil
    }
    var result: [String] = []
    for index in 0..<count { result.append(try text(names[index], "columns[\(index)]")) }
    return result
  }

  /// Row group numbers; `nil` for NULL, which means all. They must lie in `0 ..< limit`.
  static func rowGroups(
    _ numbers: UnsafePointer<Int64>?, _ numberCount: Int64, limit: Int
  ) throws(CError) -> [Int]? {
    let count = try count(numberCount, "row_group_count")
    guard let numbers else {
      guard count == 0 else {
        throw .invalidArgument("row_groups is NULL, row_group_count \(count)")
      }
      return nil
    }
    var result: [Int] = []
    for index in 0..<count {
      let number = numbers[index]
      guard number >= 0 && number < Int64(limit) else {
        throw .invalidArgument(
          "row_groups[\(index)] is \(number); the file has \(limit) row groups, counted from 0")
      }
      result.append(Int(number))
    }
    return result
  }

  static func options(
    _ options: UnsafePointer<weir_option>?, _ optionCount: Int64
  ) throws(CError) -> [Option] {
    let count = try count(optionCount, "option_count")
    guard let options else {
      guard count == 0 else { throw .invalidArgument("options is NULL, option_count \(count)") }
      return []
    }
    var result: [Option] = []
    for index in 0..<count {
      let key = try text(options[index].key, "options[\(index)].key")
      result.append(
        Option(
          key: key, value: try text(options[index].value, "the value of option \"\(key)\""),
          column: options[index].column == nil
            ? nil : try text(options[index].column, "the column of option \"\(key)\"")))
    }
    return result
  }
}

/// One setting as C gave it.
struct Option {
  var key: String
  var value: String
  var column: String?

  func boolean() throws(CError) -> Bool {
    switch value {
    case "true", "1": return true
    case "false", "0": return false
    default: throw invalid("true or false")
    }
  }

  func integer(_ range: ClosedRange<Int>) throws(CError) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw invalid("an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func double(_ range: ClosedRange<Double>) throws(CError) -> Double {
    guard let number = Double(value), range.contains(number) else {
      throw invalid("a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// One of a few words.
  func choice<T>(_ choices: KeyValuePairs<String, T>) throws(CError) -> T {
    if let found = choices.first(where: { $0.key == value }) { return found.value }
    throw invalid("one of " + choices.map(\.key).joined(separator: ", "))
  }

  func forAllColumns() throws(CError) {
    guard let column else { return }
    throw .invalidArgument("option \"\(key)\" cannot be set for one column (\(column))")
  }

  func invalid(_ wanted: String) -> CError {
    let place = column.map { " for column \"\($0)\"" } ?? ""
    return .invalidArgument("option \"\(key)\"\(place) is \"\(value)\"; it must be \(wanted)")
  }

  func unknown(_ known: [String]) -> CError {
    .invalidArgument(
      "there is no option \"\(key)\"; there are \(known.joined(separator: ", "))")
  }
}
