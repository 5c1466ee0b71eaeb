package backup_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// calendarTexts are calendars of every form.
var calendarTexts = []string{
	"minutely", "hourly", "daily", "Weekly", "monthly", "quarterly", "semiannually", "semi-annually", "biannually",
	"bi-annually", "yearly", "annually", "02:30", "2:3:4", "Mon", "mon,", "Mon,Wed..Fri 3:4", "monday..wednesday 4:5",
	"Sat,Sun *-*-1..7 18:00", "Mon-Fri 3:00", "*-*-* *:*:*", "*:*:0/10", "1:2:3..5", "*:0/20", "0,12/3:7", "1..9/4:00",
	"1..5/10:0", "*-*-1,5,3..4", "*-*-1..1", "5-6", "5-6 7:8", "*-2-29", "0..50-2-29", "2027/3-1-1", "27..29-6-1", "70-1-1",
	"*-*~1", "*-*~1..3", "*-*~1..4/2", "*-*~7/2", "Mon *-05~07/1", "*-02~3 4:00", "*-*~4,2", "*-*~* 1:0", "2~1",
	"*-*-*   5:6", "Mon *-1,4,7,10-1..7 2:00",
}

// elapse finds the moments in what `systemd-analyze calendar` prints in UTC.
var elapse = regexp.MustCompile(`(?m)(?:Next elapse|Iter\. #\d+): \w+ ([0-9-]+ [0-9:]+) UTC$`)

// What systemd itself says of each calendar is what Next says; only what a clock change skips comes on top.
func TestCalendarAgreesWithSystemd(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatal("systemd-analyze is needed")
		}
		t.Skip("systemd-analyze is not installed")
	}
	random := rand.New(rand.NewPCG(seed(t), 1))
	texts := calendarTexts
	for range rounds(400) {
		texts = append(texts, randomCalendar(random))
	}
	// In southern zones with summer time systemd 252 leaves out days and hours: no measure there.
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/St_Johns"}
	for _, text := range texts {
		text += " " + zones[random.IntN(len(zones))]
		calendar, err := backup.ParseCalendar(text)
		start := time.Date(2024+random.IntN(10), 1, 1, 0, 0, random.IntN(366*24*3600), 0, time.UTC)
		output, systemdErr := askSystemd(program, text, start, 6)
		if bytes.Contains(output, []byte("Resource deadlock avoided")) {
			continue // systemd gives up at some clock changes
		}
		if err != nil || systemdErr != nil {
			never := bytes.Contains(output, []byte("Next elapse: never")) // which is an error to us
			if (err == nil) != (systemdErr == nil) && !never {
				t.Errorf("%q: we say %v, systemd says %v: %s", text, err, systemdErr, output)
			}
			continue
		}
		want := moments(output)
		got := regular(calendar, start, len(want))
		if diff := cmp.Diff(want, got); diff != "" && !leavesOut(program, text, want, got) {
			t.Errorf("%q after %v: %s", text, start, diff)
		}
	}
}

func askSystemd(program, text string, start time.Time, iterations int) ([]byte, error) {
	command := exec.Command(program, "calendar", fmt.Sprintf("--iterations=%d", iterations), "--base-time="+start.Format(time.DateTime)+" UTC", text)
	command.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	return command.CombinedOutput()
}

func moments(output []byte) (all []string) {
	for _, match := range elapse.FindAllStringSubmatch(string(output), -1) {
		all = append(all, match[1])
	}
	return all
}

// leavesOut tells whether systemd itself knows of the first moment in which we differ, if it is asked from a little
// before: systemd 252 leaves out some on its way across a clock change.
func leavesOut(program, text string, want, got []string) bool {
	for i, moment := range got {
		if i < len(want) && want[i] == moment {
			continue
		}
		at, err := time.Parse(time.DateTime, moment)
		if err != nil {
			return false
		}
		output, _ := askSystemd(program, text, at.Add(-time.Minute), 1)
		return slices.Contains(moments(output), moment)
	}
	return false
}

// regular returns the next n moments without those that only make up for a skipped time, and one more if
// systemd knows of fewer than were asked for.
func regular(calendar backup.Calendar, start time.Time, n int) []string {
	if n < 6 {
		n++
	}
	var moments []string
	for len(moments) < n {
		start = calendar.Next(start)
		if start.IsZero() {
			break
		}
		if calendar.Shows(start) {
			moments = append(moments, start.UTC().Format(time.DateTime))
		}
	}
	return moments
}

func randomCalendar(random *rand.Rand) string {
	item := func(from, to int) string {
		a := from + random.IntN(to-from+1)
		b := a + random.IntN(to-a+1)
		switch random.IntN(7) {
		case 0:
			return fmt.Sprintf("%d..%d", a, b)
		case 1:
			return fmt.Sprintf("%d/%d", a, 1+random.IntN(to-from))
		case 2:
			return fmt.Sprintf("%d..%d/%d", a, b, 1+random.IntN(max(1, b-a)))
		default:
			return strconv.Itoa(a)
		}
	}
	chain := func(from, to int) string {
		switch random.IntN(4) {
		case 0:
			return item(from, to) + "," + item(from, to)
		case 1:
			return item(from, to)
		default:
			return "*"
		}
	}
	days := []string{"", "", "Mon..Fri ", "Sat,Sun ", "Tue ", "wed..wed,FRI "}
	date := chain(1, 12) + "-" + chain(1, 31)
	if random.IntN(4) == 0 {
		date = chain(1, 12) + "~" + chain(1, 25) // systemd wrongly refuses more than that in a list
	}
	seconds := []string{"", ":*", ":30", ":0/15"}
	return days[random.IntN(len(days))] + date + " " + chain(0, 23) + ":" + chain(0, 59) + seconds[random.IntN(len(seconds))]
}
