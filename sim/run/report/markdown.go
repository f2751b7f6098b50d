package report

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// markdown renders the little of Markdown that this repository's documents use: paragraphs, lists, tables, bold,
// emphasis, code and links. A link to another file of the repository keeps its words only: the report stands alone.
func markdown(text string) template.HTML {
	var b strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if lines := strings.Split(strings.Trim(block, "\n"), "\n"); lines[0] != "" {
			renderBlock(&b, lines)
		}
	}
	return template.HTML(b.String())
}

func renderBlock(b *strings.Builder, lines []string) {
	switch {
	case strings.HasPrefix(lines[0], "|"):
		renderTable(b, lines)
	case itemStart(lines[0]) != "":
		renderList(b, lines)
	case strings.HasPrefix(lines[0], "#"):
		b.WriteString("<h3>" + inline(strings.TrimLeft(lines[0], "# ")) + "</h3>\n")
	default:
		b.WriteString("<p>" + inline(strings.Join(lines, " ")) + "</p>\n")
	}
}

var item = regexp.MustCompile(`^(\d+\.|-) +`)

// itemStart is the mark of a list item, "" if the line is none.
func itemStart(line string) string { return item.FindString(line) }

func renderList(b *strings.Builder, lines []string) {
	tag := "ul"
	if first := lines[0]; first[0] >= '0' && first[0] <= '9' {
		number, _, _ := strings.Cut(first, ".")
		tag = `ol start="` + number + `"`
	}
	b.WriteString("<" + tag + ">\n")
	for i := 0; i < len(lines); {
		text := strings.TrimPrefix(lines[i], itemStart(lines[i]))
		for i++; i < len(lines) && itemStart(lines[i]) == ""; i++ {
			text += " " + strings.TrimSpace(lines[i])
		}
		b.WriteString("<li>" + inline(text) + "</li>\n")
	}
	b.WriteString("</" + tag[:2] + ">\n")
}

// wide is the number of columns from which on a table's rows are told one by one: nobody reads columns of one word.
const wide = 6

func cells(line string) []string {
	var list []string
	for c := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
		list = append(list, strings.TrimSpace(c))
	}
	return list
}

// renderRows tells each row of a wide table: its first cell, and below it the others with their heads.
func renderRows(b *strings.Builder, lines []string) {
	head := cells(lines[0])
	b.WriteString("<ol class=\"rows\">\n")
	for _, line := range lines[2:] {
		row := cells(line)
		b.WriteString("<li><b>" + inline(row[0]) + "</b>")
		for i, c := range row[1:] {
			if c != "" && i+1 < len(head) {
				b.WriteString("<div><i>" + inline(head[i+1]) + "</i> " + inline(c) + "</div>")
			}
		}
		b.WriteString("</li>\n")
	}
	b.WriteString("</ol>\n")
}

func renderTable(b *strings.Builder, lines []string) {
	if len(lines) > 2 && len(cells(lines[0])) >= wide {
		renderRows(b, lines)
		return
	}
	b.WriteString("<div class=\"scroll\"><table>\n")
	for i, line := range lines {
		if i == 1 && strings.Trim(line, "|-: ") == "" {
			continue
		}
		cell := "td"
		if i == 0 {
			cell = "th"
		}
		b.WriteString("<tr>")
		for _, column := range cells(line) {
			b.WriteString("<" + cell + ">" + inline(column) + "</" + cell + ">")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table></div>\n")
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	bold     = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	emphasis = regexp.MustCompile(`\*([^*]+)\*`)
	link     = regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)
)

// inline renders what stands inside a line. Code comes first: nothing in it is a mark.
func inline(text string) string {
	var b strings.Builder
	for {
		at := codeSpan.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(marks(text))
			return b.String()
		}
		b.WriteString(marks(text[:at[0]]) + "<code>" + html.EscapeString(text[at[2]:at[3]]) + "</code>")
		text = text[at[1]:]
	}
}

func marks(text string) string {
	text = html.EscapeString(text)
	text = link.ReplaceAllString(text, "$1")
	text = bold.ReplaceAllString(text, "<b>$1</b>")
	return emphasis.ReplaceAllString(text, "<em>$1</em>")
}
