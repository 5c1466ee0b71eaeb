package backup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// archives makes a list of "NAME TIME", newest first.
func archives(t *testing.T, lines ...string) []backup.Archive {
	t.Helper()
	var list []backup.Archive
	for _, line := range lines {
		name, when, _ := strings.Cut(line, " ")
		moment, err := time.Parse(time.DateTime, when)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, backup.Archive{Name: name, Time: moment})
	}
	return list
}

func TestRetentionApply(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	week := []string{
		"g 2026-06-15 09:00:00", "f 2026-06-15 08:00:00", "e 2026-06-14 23:30:00", "d 2026-06-14 08:00:00",
		"c 2026-06-10 08:00:00", "b 2026-05-31 22:30:00", "a 2025-12-31 23:30:00",
	}
	cut := []string{
		"d.checkpoint 2026-06-15 10:00:00", "d.checkpoint.1 2026-06-15 09:00:00", "c 2026-06-15 08:00:00", "b 2026-06-14 08:00:00",
	}
	twins := []string{"c 2026-06-15 08:00:00", "a 2026-06-15 08:00:00", "b 2026-06-15 08:00:00"}
	quarters := []string{
		"h 2026-03-31 00:00:00", "g 2026-03-30 00:00:00", "f 2026-03-29 23:59:59", "e 2025-12-29 00:00:00",
		"d 2025-12-28 23:59:59", "c 2021-01-03 23:59:59", "b 2020-09-28 00:00:00", "a 2020-09-27 23:59:59",
	}
	months := []string{
		"e 2026-03-31 18:30:00", "d 2026-03-31 18:29:59", "c 2025-12-31 18:30:00", "b 2025-12-31 18:29:59", "a 2025-09-30 18:29:59",
	}
	for _, test := range []struct {
		name  string
		rules backup.Retention
		zone  string
		list  []string
		want  string
	}{
		{"no rule", backup.Retention{}, "UTC", week, "g:no rule f:no rule e:no rule d:no rule c:no rule b:no rule a:no rule"},
		{"keep all", backup.Retention{KeepAll: true}, "UTC", twins, "c:no rule a:no rule b:no rule"},
		{"daily", backup.Retention{Daily: 2}, "UTC", week, "g:daily #1 e:daily #2"},
		{"the days of another zone", backup.Retention{Daily: 2}, "Europe/Berlin", week, "g:daily #1 d:daily #2"},
		{"the oldest fills up", backup.Retention{Yearly: 3}, "UTC", week, "g:yearly #1 a:yearly #2"},
		{"the oldest fills up in another zone", backup.Retention{Yearly: 3}, "Europe/Berlin", week, "g:yearly #1 a:yearly[oldest] #2"},
		{"no limit", backup.Retention{Monthly: backup.All}, "UTC", week, "g:monthly #1 b:monthly #2 a:monthly #3"},
		{"no limit never takes the oldest", backup.Retention{Yearly: backup.All}, "Europe/Berlin", week, "g:yearly #1"},
		{"a kept archive uses up its period", backup.Retention{Last: 1, Daily: 1}, "UTC", week, "g:secondly #1 e:daily #1"},
		{"within", backup.Retention{Within: "5d", Weekly: 2}, "UTC", week, "g:within #1 f:within #2 e:within #3 d:within #4 b:weekly #1 a:weekly #2"},
		{"within alone keeps one", backup.Retention{Within: "1H"}, "UTC", week, "g:secondly #1"},
		{"weeks of 2025 and 2026", backup.Retention{Weekly: backup.All}, "UTC", week, "g:weekly #1 e:weekly #2 b:weekly #3 a:weekly #4"},
		{"quarters", backup.Retention{ThreeMonthly: backup.All}, "UTC", week, "g:quarterly_3monthly #1 a:quarterly_3monthly #2"},
		{"13 weeks", backup.Retention{ThirteenWeekly: backup.All}, "UTC", week, "g:quarterly_13weekly #1 a:quarterly_13weekly #2"},
		{"the edges of 13 weeks", backup.Retention{ThirteenWeekly: backup.All}, "UTC", quarters,
			"h:quarterly_13weekly #1 f:quarterly_13weekly #2 d:quarterly_13weekly #3 c:quarterly_13weekly #4 a:quarterly_13weekly #5"},
		{"the edges of 3 months", backup.Retention{ThreeMonthly: backup.All}, "Asia/Kolkata",
			months, "e:quarterly_3monthly #1 d:quarterly_3monthly #2 b:quarterly_3monthly #3 a:quarterly_3monthly #4"},
		{"equal times keep their order", backup.Retention{Last: 2}, "UTC", twins, "c:secondly #1 b:secondly[oldest] #2"},
		{"the newest checkpoint alone stays", backup.Retention{Daily: 1}, "UTC", cut, "d.checkpoint:checkpoint c:daily #1"},
		{"an overtaken checkpoint goes", backup.Retention{Daily: 5}, "UTC", append([]string{"e 2026-06-15 11:00:00"}, cut...), "e:daily #1 b:daily #2"},
		{"checkpoints never count", backup.Retention{Last: backup.All}, "UTC", append(cut[3:], "x.checkpoint 2026-06-13 08:00:00"), "b:secondly #1"},
		{"a list in disorder", backup.Retention{Last: 1}, "UTC", []string{week[3], week[0], week[5]}, "g:secondly #1"},
		{"an empty list", backup.Retention{Last: 1}, "UTC", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := archives(t, test.list...)
			keep, remove := test.rules.Apply(list, now, zone(t, test.zone))
			var got []string
			for _, kept := range keep {
				got = append(got, kept.Name+":"+kept.Rule)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			if len(keep)+len(remove) != len(list) {
				t.Errorf("%d kept and %d removed of %d", len(keep), len(remove), len(list))
			}
		})
	}
}

func TestRetentionArgs(t *testing.T) {
	for _, test := range []struct {
		rules backup.Retention
		want  string
	}{
		{backup.Retention{}, ""},
		{backup.Retention{KeepAll: true}, ""},
		{backup.Retention{Within: "2d"}, "--keep-within 2d --keep-last 1"},
		{backup.Retention{Within: "2d", Daily: 3}, "--keep-within 2d --keep-daily 3"},
		{
			backup.Retention{
				Within: "1y", Last: 1, Minutely: 2, Hourly: 3, Daily: 4, Weekly: backup.All, Monthly: 6,
				ThirteenWeekly: 7, ThreeMonthly: 8, Yearly: 9,
			},
			"--keep-within 1y --keep-last 1 --keep-minutely 2 --keep-hourly 3 --keep-daily 4 --keep-weekly -1" +
				" --keep-monthly 6 --keep-13weekly 7 --keep-3monthly 8 --keep-yearly 9",
		},
	} {
		if diff := cmp.Diff(test.want, strings.Join(test.rules.Args(), " ")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCheckWithin(t *testing.T) {
	for _, right := range []string{"1H", "2d", "3w", "4m", "5y", "250y"} {
		if err := backup.CheckWithin(right); err != nil {
			t.Error(err)
		}
	}
	for _, wrong := range []string{"", "d", "0d", "-1d", "+1d", "1.5d", "1h", "2", "1D", "1d12H", " 1d", "251y", "99999y", "4294967296H", "18446744073709551616d"} {
		if backup.CheckWithin(wrong) == nil {
			t.Errorf("%q is no interval", wrong)
		}
	}
}

func TestPruneGuard(t *testing.T) {
	list := archives(t,
		"g.checkpoint 2026-06-15 10:00:00", "f 2026-06-15 09:00:00", "e 2026-06-15 08:00:00", "d 2026-06-14 08:00:00",
		"c 2026-06-10 08:00:00", "b 2026-05-31 22:30:00", "a 2025-12-31 23:30:00",
	)
	for _, test := range []struct {
		name         string
		list, remove []backup.Archive
		want         string
	}{
		{"nothing", nil, nil, ""},
		{"a few", list, list[5:], ""},
		{"half", list, list[4:], ""},
		{"more than half", list, list[3:], "prune would delete 4 of 6 archives, more than half"},
		{"half and a checkpoint", list, append(list[:1:1], list[4:]...), ""},
		{"all but one of five", list[2:], list[3:], ""},
		{"the newest complete one", list, list[1:2], "prune would delete the newest complete archive, f"},
		{"the newest of a list in disorder", append(list[4:], list[1]), list[1:2], "prune would delete the newest complete archive, f"},
		{"checkpoints alone", list[:1], list[:1], ""},
	} {
		if got := backup.PruneGuard(test.list, test.remove, false); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
