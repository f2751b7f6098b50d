package probe

// Points of package controller/drive.
var (
	DriveLeads    = define("drive.a leadership drives")
	DriveSuspects = define("drive.a broker past a deadline was suspected")
	DriveRefused  = define("drive.a decision was refused")
)
