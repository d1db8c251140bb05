/* console: a terminal's other end; echoes what is typed and says each finished line back. */
#include "finish.h"
#include "options.h"
#include "ports.h"
#include "print.h"
#include "serial.h"
#include "text.h"
#include "workload.h"

enum { LONGEST_LINE = 255, BACKSPACE = 8, DELETE = 127 };

static char wait_for_byte(void)
{
    int byte;
    interrupts_off();
    while ((byte = serial_read()) < 0) {
        sleep_until_interrupt();
        interrupts_off();
    }
    interrupts_on();
    return (char)byte;
}

static void read_line(char *line)
{
    u32 length = 0;
    for (;;) {
        char c = wait_for_byte();
        if (c == '\r' || c == '\n')
            break;
        if ((c == BACKSPACE || c == DELETE) && length) {
            length--;
            print("\b \b");
        } else if ((u8)c >= ' ' && c != DELETE && length < LONGEST_LINE) {
            line[length++] = c;
            print("%c", c);
        }
    }
    line[length] = '\0';
    print("\n");
}

static int run(void)
{
    static char line[LONGEST_LINE + 1];
    print("console: type lines; 'quit' ends\n");
    for (u32 number = 1;; number++) {
        print("> ");
        read_line(line);
        if (text_equal(line, "quit"))
            return GOOD;
        print("line %u: %s\n", number, line);
    }
}

const struct workload workload_console = {"console", "", "says each typed line back as 'line N: text'; 'quit' ends", run};
