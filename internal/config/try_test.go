package config
import ("testing";"os";"fmt")
func TestTry(t *testing.T){
 p:=os.Getenv("TRY"); if p=="" {t.Skip()}
 c,err:=Load(p, Environment{Getenv: os.Getenv, UID: 1000, Home:"/home/u", Hostname:"laptop.lan", User:"u"})
 if err!=nil {t.Fatal(err)}
 for _,m:=range c.Errors {fmt.Print("E ");m.Print(os.Stdout,"")}
 for _,m:=range c.Warnings {fmt.Print("W ");m.Print(os.Stdout,"")}
 s,_:=c.Show(); fmt.Println(s)
 for _,j:=range c.Jobs {fmt.Printf("%+v\n",j)}
}
