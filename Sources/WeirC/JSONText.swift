// SPDX-License-Identifier: Apache-2.0
internal import WeirColumnar

/// Writes JSON piece by piece; commas come by themselves.
struct JSONText {
  private(set) var text = ""
  private var needsComma = false

  mutating func object(_ body: (inout JSONText) -> Void) { nest("{", "}", body) }

  mutating func array<S: Sequence>(
    _ elements: S, _ body: (inout JSONText, S.Element) -> Void
  ) {
    nest("[", "]") { json in
      for element in elements { body(&json, element) }
    }
  }

  mutating func key(_ key: String) {
    separate()
    Scalar.appendJSONString(key, to: &text)
    text += ":"
    needsComma = false
  }

  mutating func value(_ value: String?) {
    separate()
    if let value { Scalar.appendJSONString(value, to: &text) } else { text += "null" }
  }

  mutating func value(_ value: Int?) {
    separate()
    text += value.map(String.init) ?? "null"
  }

  mutating func value(_ value: Bool?) {
    separate()
    text += value.map { $0 ? "true" : "false" } ?? "null"
  }

  mutating func value(_ value: Scalar?, _ type: DataType) {
    separate()
    if let value { value.appendJSON(as: type, to: &text) } else { text += "null" }
  }

  mutating func pair(_ key: String, _ value: String?) {
    self.key(key)
    self.value(value)
  }

  mutating func pair(_ key: String, _ value: Int?) {
    self.key(key)
    self.value(value)
  }

  mutating func pair(_ key: String, _ value: Bool?) {
    self.key(key)
    self.value(value)
  }

  private mutating func nest(_ open: String, _ close: String, _ body: (inout JSONText) -> Void) {
    separate()
    text += open
    needsComma = false
    body(&self)
    text += close
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { text += "," }
    needsComma = true
  }
}
