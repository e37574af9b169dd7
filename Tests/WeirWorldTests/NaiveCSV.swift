// SPDX-License-Identifier: Apache-2.0

/// A CSV parser that is slow and simple: the oracle for `CSVReader`. The whole text as one array of
/// bytes, one index, one decision per byte. `nil` means that the text is not CSV.
func naiveCSV(_ text: [UInt8]) -> [[[UInt8]]]? {
  let comma: UInt8 = 0x2c
  let quote: UInt8 = 0x22
  let lf: UInt8 = 0x0a
  let cr: UInt8 = 0x0d
  var records: [[[UInt8]]] = []
  var record: [[UInt8]] = []
  var index = text.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
  while index < text.count {
    // A field begins here.
    var field: [UInt8] = []
    if record.isEmpty && (text[index] == lf || text[index] == cr) {
      index += 1
      continue
    }
    if text[index] == quote {
      index += 1
      while true {
        guard index < text.count else { return nil }
        if text[index] != quote {
          field.append(text[index])
          index += 1
        } else if index + 1 < text.count && text[index + 1] == quote {
          field.append(quote)
          index += 2
        } else {
          index += 1
          break
        }
      }
      if index < text.count && ![comma, lf, cr].contains(text[index]) { return nil }
    } else {
      while index < text.count && ![comma, lf, cr].contains(text[index]) {
        field.append(text[index])
        index += 1
      }
    }
    record.append(field)
    if index == text.count { break }
    if text[index] == comma {
      index += 1
      if index == text.count { record.append([]) }
      continue
    }
    index += text[index] == cr && index + 1 < text.count && text[index + 1] == lf ? 2 : 1
    records.append(record)
    record = []
  }
  if !record.isEmpty { records.append(record) }
  return records
}
